// "Try every layout": which order of a raw block-scale tensor explains the weights, or a reference, best.
//
// What identifies the order.
// Weights alone: a block's scale is its largest magnitude / 6, so the largest code of nearly every block is 6 and says
// nothing. But the codes are x / scale: where the largest element stands out, the scale is large AND the other codes are
// small. Within a row, log(scale) and log(rms of the block's codes) therefore correlate at about -0.55 for normal weights,
// and at 0 for scales that belong to other blocks. The evidence is the log-likelihood ratio of that correlation (a normal
// regression with an own mean a row): -n/2 log(1 - rho^2). It cannot see what turns weights and scales alike: the order of
// nibbles in a byte (a block's codes are then the same set), and gate and up swapped in both. Those need a reference.
// Reference weights or output of the projection: the squared error of codes * scale * best factor.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/layout_search/orders.h"
#include "core/parallel/parallel.h"
#include "core/tensor/tensor.h"

namespace moe {

enum class LayoutEvidence : int32_t { kStructure, kWeights, kReferenceWeights, kReferenceOutput };
/// "structure", "weights", "reference-weights", "reference-output".
const char* evidence_name(LayoutEvidence evidence);

struct LayoutQuestion {
  /// Raw bytes, any shape and layout: only their order counts. F8_E4M3 or U8.
  const Tensor* scales = nullptr;
  /// Logical planes (experts), rows N, columns K/16.
  int64_t planes = 0, rows = 0, columns = 0;
  /// Rows are [up, gate] halves: a swap of them is tried.
  bool gated = false;
  /// Layout kFp4 [planes, rows, columns * 16], or null: then only the structure of the scales themselves speaks.
  const Tensor* codes = nullptr;
  /// Dequantized or original weights [planes, rows, columns * 16], any float type.
  const Tensor* weights = nullptr;
  /// Input [T, columns * 16] and output [T, rows] of one plane's projection, y = x W^T.
  const Tensor* x = nullptr;
  const Tensor* y = nullptr;
  int64_t plane = 0;
};

struct ScoredLayout {
  LayoutCandidate candidate;
  /// Log-likelihood (nats) under the evidence; only differences have a meaning. 0 where not possible.
  double log_likelihood = 0;
  /// Posterior among the candidates that read different bytes, all equally likely before.
  double probability = 0;
  /// Correlation of log scale with log rms of the block's codes, row means taken out; about -0.55 where it fits.
  double coupling = 0;
  /// Share of the variance of log scale that lies between rows.
  double row_share = 0;
  /// Relative RMS error against the reference at the best common factor; NaN without a reference.
  double nrmse = 0;
  /// Index of an earlier candidate that reads the very same bytes (an 8x4 swizzle of 4 columns is linear), or -1.
  int32_t same_as = -1;
};

struct LayoutSearch {
  LayoutEvidence evidence = LayoutEvidence::kStructure;
  /// Best first, impossible ones last.
  std::vector<ScoredLayout> ranked;
  /// Blocks that were looked at: all, or a sample of whole rows where there are more than 2^19.
  int64_t blocks = 0;
  /// Probability of the winner, not above 0.5 where even the winner does not explain the evidence (`explained` false).
  double confidence = 0;
  bool explained = false;
};

/// Throws `wrong-shape` where bytes, codes or reference do not fit the logical shape, `wrong-dtype`, `usage` (halves of an
/// odd number of rows), `cancelled`.
LayoutSearch search_layout(const LayoutQuestion& question, const Task& task);

}  // namespace moe
