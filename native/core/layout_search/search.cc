#include "core/layout_search/search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "core/error/error.h"
#include "core/layout_search/blocks.h"
#include "core/layout_search/evidence.h"

namespace moe {
namespace {

constexpr std::array<const char*, 4> kEvidenceNames = {"structure", "weights", "reference-weights", "reference-output"};

/// Below these a winner explains nothing, however far it is ahead of the others. Measured on normal weights: the right
/// order couples at -0.45 to -0.6, wrong ones at 0.00 +- 0.02; FP4 errs by 0.09 to 0.12, wrong scales by 0.25 and more.
constexpr double kLeastCoupling = 0.15;
constexpr double kLargestError = 0.2;

[[noreturn]] void wrong_shape(const Tensor& tensor, const std::string& expected) {
  const std::string found = std::string(dtype_name(tensor.dtype)) + " " + shape_text(tensor.shape);
  throw Error(code::kWrongShape, tensor.name + ": expected " + expected + ", found " + found, {{"subject", tensor.name}, {"expected", expected}, {"found", found}});
}

void require_extent(const Tensor& tensor, int64_t planes, int64_t rows, int64_t columns, const std::string& what) {
  if (tensor.planes() != planes || tensor.rows != rows || tensor.columns != columns) wrong_shape(tensor, what + " " + shape_text({planes, rows, columns}));
}

LayoutEvidence check(const LayoutQuestion& q) {
  if (q.planes < 1 || q.rows < 1 || q.columns < 1) throw Error(code::kUsage, "planes, rows and columns must be at least 1");
  if (q.gated && q.rows % 2 != 0) throw Error(code::kUsage, q.scales->name + ": " + std::to_string(q.rows) + " rows have no two halves", {{"subject", q.scales->name}, {"remedy", std::string("say that the layer is not gated")}});
  if (q.scales->dtype != DType::kF8E4m3 && q.scales->dtype != DType::kU8) {
    throw Error(code::kWrongDtype, q.scales->name + ": block scales are bytes (F8_E4M3 or U8), not " + dtype_name(q.scales->dtype), {{"subject", q.scales->name}, {"expected", std::string("F8_E4M3 or U8")}, {"found", std::string(dtype_name(q.scales->dtype))}});
  }
  for (const Tensor* tensor : {q.scales, q.codes, q.weights, q.x, q.y}) {
    if (tensor != nullptr && tensor->backing) tensor->backing->ensure_readable();
  }
  const int64_t elements = q.columns * kBlockElements;
  if (q.codes != nullptr) require_extent(*q.codes, q.planes, q.rows, elements, "FP4 codes of");
  const bool output = q.x != nullptr && q.y != nullptr;
  if (!output && q.weights == nullptr) return q.codes == nullptr ? LayoutEvidence::kStructure : LayoutEvidence::kWeights;
  if (q.codes == nullptr) throw Error(code::kUsage, "a reference says nothing about scales without the FP4 weights that they scale", {{"remedy", std::string("name the packed weights too")}});
  if (q.weights != nullptr) {
    require_extent(*q.weights, q.planes, q.rows, elements, "reference weights of");
    return LayoutEvidence::kReferenceWeights;
  }
  if (q.plane < 0 || q.plane >= q.planes) throw Error(code::kOutOfBounds, q.scales->name + ": plane " + std::to_string(q.plane) + " is outside " + std::to_string(q.planes) + " planes");
  require_extent(*q.x, 1, q.x->rows, elements, "inputs of");
  require_extent(*q.y, 1, q.x->rows, q.rows, "outputs of");
  if (q.x->rows < 1) wrong_shape(*q.x, "one token or more");
  return LayoutEvidence::kReferenceOutput;
}

/// Every way to read the bytes that the evidence can tell apart.
std::vector<LayoutCandidate> candidates_of(const LayoutQuestion& q, LayoutEvidence evidence) {
  const bool reference = evidence == LayoutEvidence::kReferenceWeights || evidence == LayoutEvidence::kReferenceOutput;
  std::vector<LayoutCandidate> out;
  for (int order = 0; order < kScaleOrders; ++order) {
    LayoutCandidate candidate;
    candidate.order = static_cast<ScaleOrder>(order);
    const auto size_of = [&](bool padded) { return OrderPlaces(candidate.order, padded, q.planes, q.rows, q.columns).bytes(); };
    const auto stored = static_cast<int64_t>(q.scales->bytes);
    const bool may_pad = candidate.order == ScaleOrder::kLinear || candidate.order == ScaleOrder::kTransposed;
    candidate.padded = may_pad && size_of(false) != stored && size_of(true) == stored;
    candidate.bytes = size_of(candidate.padded);
    candidate.possible = candidate.bytes == stored;
    // Swapped halves of weights are told from swapped scales by a reference only; without codes there is nothing to be swapped against.
    const int halves = !q.gated || q.codes == nullptr ? 1 : reference ? kHalves : 2;
    for (int half = 0; half < halves; ++half) {
      candidate.halves = static_cast<Halves>(half);
      for (int nibble = 0; nibble < (reference ? 2 : 1); ++nibble) {
        candidate.high_first = nibble == 1;
        out.push_back(candidate);
      }
    }
  }
  return out;
}

bool same_bytes(const LayoutQuestion& q, const LayoutCandidate& a, const LayoutCandidate& b) {
  if (a.halves != b.halves || a.high_first != b.high_first) return false;
  const OrderPlaces first(a.order, a.padded, q.planes, q.rows, q.columns);
  const OrderPlaces second(b.order, b.padded, q.planes, q.rows, q.columns);
  for (int64_t plane = 0; plane < std::min<int64_t>(q.planes, 2); ++plane) {
    for (int64_t row = 0; row < q.rows; ++row) {
      for (int64_t column = 0; column < q.columns; ++column) {
        if (first.at(plane, row, column) != second.at(plane, row, column)) return false;
      }
    }
  }
  return true;
}

void set_probabilities(std::vector<ScoredLayout>& ranked) {
  double total = 0;
  const double best = ranked.front().log_likelihood;
  const auto weight = [&](const ScoredLayout& layout) { return layout.candidate.possible && layout.same_as < 0 ? std::exp(layout.log_likelihood - best) : 0.0; };
  for (const ScoredLayout& layout : ranked) total += weight(layout);
  for (ScoredLayout& layout : ranked) layout.probability = weight(layout) / total;
}

bool explains(const ScoredLayout& winner, LayoutEvidence evidence) {
  switch (evidence) {
    case LayoutEvidence::kStructure: return false;
    case LayoutEvidence::kWeights: return winner.coupling <= -kLeastCoupling;
    case LayoutEvidence::kReferenceWeights:
    case LayoutEvidence::kReferenceOutput: break;
  }
  return winner.nrmse <= kLargestError;
}

}  // namespace

const char* evidence_name(LayoutEvidence evidence) { return kEvidenceNames[static_cast<size_t>(evidence)]; }

LayoutSearch search_layout(const LayoutQuestion& question, const Task& task) {
  LayoutSearch out;
  out.evidence = check(question);
  std::vector<LayoutCandidate> candidates = candidates_of(question, out.evidence);
  const auto count = static_cast<int64_t>(candidates.size());
  if (std::none_of(candidates.begin(), candidates.end(), [](const LayoutCandidate& candidate) { return candidate.possible; })) {
    std::string sizes;
    for (const bool padded : {false, true}) {
      sizes += (padded ? " or " : "") + std::to_string(OrderPlaces(ScaleOrder::kLinear, padded, question.planes, question.rows, question.columns).bytes());
    }
    wrong_shape(*question.scales, sizes + " bytes for " + shape_text({question.planes, question.rows, question.columns}) + " block scales");
  }
  const FitOf fit_of = out.evidence == LayoutEvidence::kReferenceWeights  ? reference_weights_evidence(question, out.blocks, task)
                       : out.evidence == LayoutEvidence::kReferenceOutput ? reference_output_evidence(question, out.blocks, task)
                                                                          : weights_evidence(question, out.blocks, task);
  out.ranked.resize(candidates.size());
  parallel_for(count, task, [&](int64_t index) {
    ScoredLayout& scored = out.ranked[static_cast<size_t>(index)];
    scored.candidate = candidates[static_cast<size_t>(index)];
    if (!scored.candidate.possible) return;
    for (int64_t earlier = 0; earlier < index && scored.same_as < 0; ++earlier) {
      const LayoutCandidate& other = candidates[static_cast<size_t>(earlier)];
      if (other.possible && same_bytes(question, other, scored.candidate)) scored.same_as = static_cast<int32_t>(earlier);
    }
    const Fit fit = fit_of(scored.candidate, OrderPlaces(scored.candidate.order, scored.candidate.padded, question.planes, question.rows, question.columns));
    scored.log_likelihood = fit.log_likelihood;
    scored.coupling = fit.coupling;
    scored.row_share = fit.row_share;
    scored.nrmse = fit.nrmse;
  });
  std::vector<int32_t> rank(candidates.size());
  for (size_t i = 0; i < rank.size(); ++i) rank[i] = static_cast<int32_t>(i);
  std::stable_sort(rank.begin(), rank.end(), [&](int32_t a, int32_t b) {
    const ScoredLayout& first = out.ranked[static_cast<size_t>(a)];
    const ScoredLayout& second = out.ranked[static_cast<size_t>(b)];
    if (first.candidate.possible != second.candidate.possible) return first.candidate.possible;
    return first.log_likelihood > second.log_likelihood;
  });
  std::vector<int32_t> place(rank.size());
  for (size_t i = 0; i < rank.size(); ++i) place[static_cast<size_t>(rank[i])] = static_cast<int32_t>(i);
  std::vector<ScoredLayout> sorted;
  for (const int32_t index : rank) {
    sorted.push_back(out.ranked[static_cast<size_t>(index)]);
    if (sorted.back().same_as >= 0) sorted.back().same_as = place[static_cast<size_t>(sorted.back().same_as)];
  }
  out.ranked = std::move(sorted);
  set_probabilities(out.ranked);
  out.explained = explains(out.ranked.front(), out.evidence);
  out.confidence = out.explained ? out.ranked.front().probability : std::min(0.5, out.ranked.front().probability);
  return out;
}

}  // namespace moe
