#include "core/layout/scale_layout.h"

#include <cstring>

namespace moe {

void swizzle_128x4(const uint8_t* linear, int64_t planes, int64_t rows, int64_t columns, uint8_t* out) {
  const Swizzled128x4 layout(rows, columns);
  std::memset(out, 0, static_cast<size_t>(planes * layout.bytes()));
  for (int64_t plane = 0; plane < planes; ++plane) {
    const uint8_t* from = linear + plane * rows * columns;
    uint8_t* to = out + plane * layout.bytes();
    for (int64_t row = 0; row < rows; ++row) {
      // Four columns stay together: column % 4 is the fastest index of both layouts.
      for (int64_t column = 0; column < columns; column += 4) {
        const int64_t count = columns - column < 4 ? columns - column : 4;
        std::memcpy(to + layout.offset(row, column), from + linear_offset(row, column, columns), static_cast<size_t>(count));
      }
    }
  }
}

void unswizzle_128x4(const uint8_t* swizzled, int64_t planes, int64_t rows, int64_t columns, uint8_t* out) {
  const Swizzled128x4 layout(rows, columns);
  for (int64_t plane = 0; plane < planes; ++plane) {
    const uint8_t* from = swizzled + plane * layout.bytes();
    uint8_t* to = out + plane * rows * columns;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < columns; column += 4) {
        const int64_t count = columns - column < 4 ? columns - column : 4;
        std::memcpy(to + linear_offset(row, column, columns), from + layout.offset(row, column), static_cast<size_t>(count));
      }
    }
  }
}

}  // namespace moe
