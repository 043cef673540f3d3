/** The value below which `share` (0..1) of `values` lie: one of them, the lower of two. */
export function quantile(values, share) {
  const ordered = [...values].sort((a, b) => a - b);
  return ordered[Math.min(ordered.length - 1, Math.floor(share * ordered.length))];
}
