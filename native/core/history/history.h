// Where one output element y[token, column] comes from: slots, slices of FC2, K blocks, and FC1's blocks behind one
// element of the activation. Filled by the built-in providers (cpu/history, reference/history) from their own arithmetic.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace moe {

/// One dot product of FP4 rows, block by block along K, in the order in which it was added.
struct DotHistory {
  std::vector<uint8_t> activation_codes, weight_codes;  ///< [K], one E2M1 code a byte
  std::vector<uint8_t> activation_sf, weight_sf;        ///< [K/16], E4M3 bytes
  std::vector<double> dot;   ///< [K/16] sum over the block of code * code
  std::vector<double> term;  ///< [K/16] dot * SF * SF
  std::vector<double> sum;   ///< [K/16] running sum in the accumulator's precision; begins again with each slice
};

/// A slice of FC2 along I: what one tile adds up before it leaves the chip.
struct SliceHistory {
  int64_t first_block = 0, blocks = 0;  ///< K blocks of 16
  double acc = 0;     ///< the accumulator
  double scaled = 0;  ///< after FC2's multiplier, before the router weight, rounded as the kernel does
};

/// What one slot of the token contributes.
struct SlotHistory {
  int32_t slot = 0, expert = 0;
  double weight = 0;            ///< router weight
  double activation_scale = 0;  ///< an activation is code * SF * this
  double multiplier = 0;        ///< FC2's, on the accumulator; multiplier / activation_scale is the weights' scale
  double fc2 = 0;               ///< value of the tap fc2 here
  int64_t row_in_expert = 0;    ///< which of the expert's rows of the batch this pair is
  std::vector<double> act;      ///< [I] before requantization
  DotHistory dot;               ///< along I
  std::vector<SliceHistory> slices;
};

/// One addition into y, in the order of the kernel.
struct Addition {
  int32_t slot = 0;
  int64_t slice = 0;
  double value = 0;  ///< what is added: the router weight is in it
  double sum = 0;    ///< afterwards, in the precision that y is added up in
};

/// FC1 behind one element of the activation of one slot.
struct Fc1History {
  int32_t slot = 0;
  int64_t element = 0;
  double activation_scale = 0, multiplier = 0;
  std::vector<double> x;  ///< [H] the token's input
  DotHistory up;
  std::optional<DotHistory> gate;
  double up_value = 0, gate_value = 0;  ///< after FC1's multiplier, as the kernel keeps them
  double act = 0;
};

struct ElementHistory {
  int32_t token = 0;
  int64_t column = 0;
  double y = 0;
  std::string reduction;  ///< how contributions become y, in words
  std::vector<SlotHistory> slots;
  std::vector<Addition> additions;
  std::optional<Fc1History> fc1;
};

/// Which element; `slot` and `element` (of I) also ask for FC1, -1 for neither.
struct HistoryRequest {
  int32_t token = 0;
  int64_t column = 0;
  int32_t slot = -1;
  int64_t element = -1;
};

/// @throws Error `out-of-bounds` naming the field that leaves the batch or the layer.
void check_history_request(const HistoryRequest& request, int64_t tokens, int64_t hidden, int64_t top_k, int64_t intermediate);

/// In the cpu provider's arithmetic (cpu/dot.h): terms exact in fp32, each addition rounded to fp32, a new sum every
/// `slice_blocks` blocks. `packed` rows hold k/2 bytes, `sf` rows k/16.
DotHistory trace_dot(const uint8_t* activation_packed, const uint8_t* activation_sf, const uint8_t* weight_packed, const uint8_t* weight_sf, int64_t k, int64_t slice_blocks);

/// In the reference provider's: exact integers in units of 2^-20, each running sum rounded once to fp64.
DotHistory trace_exact_dot(const uint8_t* activation_packed, const uint8_t* activation_sf, const uint8_t* weight_packed, const uint8_t* weight_sf, int64_t k);

}  // namespace moe
