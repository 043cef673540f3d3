// Checks of checkpoint scales.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/checkpoint/checkpoint.h"

namespace moe {

/// The small form of stored scalars: as they are, or 1 / x in fp32. Throws `bad-scale` naming projection, field and expert
/// unless each is finite and positive, as stored and inverted.
std::vector<float> small_scales(const std::vector<float>& stored, Convention convention, const std::string& projection, const std::string& field);

/// Throws `bad-scale` naming projection, expert, row and column at the first NaN (0x7F, 0xFF) or negative block scale of
/// `bytes`, E4M3 [rows, columns] linear. A sign bit counts as negative, minus zero too: the hardware type is unsigned.
void check_block_scales(const uint8_t* bytes, int64_t rows, int64_t columns, const std::string& projection, int64_t expert);

/// bytes[i] := e4m3(f32(bytes[i]) * ratio), nearest even. Returns how many bytes changed.
int64_t rescale_block_scales(uint8_t* bytes, int64_t count, float ratio);

}  // namespace moe
