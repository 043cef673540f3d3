/** The routing matrix folded onto the cells that fit: a cell holds the largest weight of the pairs that fall in it. */

export interface MatrixGrid {
  /** cells */
  rows: number;
  columns: number;
  /** tokens a cell row stands for, experts a cell column */
  tokensPerCell: number;
  expertsPerCell: number;
  /** largest weight of each cell; 0 = no routed pair. Row-major */
  weights: Float32Array;
  largest: number;
}

/**
 * @param ids topk_ids [T, k], row-major
 * @param weights topk_weights [T, k]
 * @param most most cells in each direction
 */
export function matrixGrid(
  ids: Int32Array,
  weights: Float32Array,
  topK: number,
  experts: number,
  most: { rows: number; columns: number },
): MatrixGrid {
  const tokens = topK > 0 ? Math.floor(ids.length / topK) : 0;
  const tokensPerCell = Math.max(1, Math.ceil(tokens / Math.max(1, most.rows)));
  const expertsPerCell = Math.max(1, Math.ceil(experts / Math.max(1, most.columns)));
  const rows = Math.ceil(tokens / tokensPerCell);
  const columns = Math.ceil(experts / expertsPerCell);
  const grid = new Float32Array(rows * columns);
  let largest = 0;
  for (let pair = 0; pair < tokens * topK; pair++) {
    const expert = ids[pair]!;
    // An id outside the layer is the batch's error and is told there.
    if (expert < 0 || expert >= experts) continue;
    const cell = Math.floor(Math.floor(pair / topK) / tokensPerCell) * columns + Math.floor(expert / expertsPerCell);
    const weight = weights[pair] ?? 0;
    // a pair of weight 0 is still a pair
    grid[cell] = Math.max(grid[cell]!, weight, 1e-6);
    largest = Math.max(largest, weight);
  }
  return { rows, columns, tokensPerCell, expertsPerCell, weights: grid, largest };
}
