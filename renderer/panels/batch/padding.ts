/** What tile padding costs over all experts: rows in use, rows of padding, and the share of tile rows that do no work. */
export function paddingSummary(rowsPerExpert: Int32Array, paddingRows: Int32Array) {
  let rows = 0;
  let padding = 0;
  for (const count of rowsPerExpert) rows += count;
  for (const count of paddingRows) padding += count;
  return { rows, padding, waste: rows + padding > 0 ? padding / (rows + padding) : 0 };
}
