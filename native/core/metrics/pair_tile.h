// Two tensors as one picture: their difference or their ratio, reduced to cells.
#pragma once

#include "core/tensor/inspect.h"

namespace moe {

/// min and max are of |a - b|, mean is of a - b (its sign shows a bias). kMarkZero: an element is equal on both sides;
/// kMarkSaturated: an infinite difference; kMarkNaN: NaN on either side (left out of the numbers). One plane, logical
/// rows and columns. @throws Error `wrong-shape`, `out-of-bounds`, `usage`, `cancelled`
Tile difference_tile(const Tensor& a, const Tensor& b, const TileRequest& request, const Task& task);

/// min, max and mean of a / b. 0 / 0 is NaN and left out; x / 0 is infinite and marked kMarkSaturated.
Tile ratio_tile(const Tensor& a, const Tensor& b, const TileRequest& request, const Task& task);

}  // namespace moe
