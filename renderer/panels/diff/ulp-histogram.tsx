/** Distance of the two answers in bf16 units in the last place. */
import { useMemo } from 'react';
import type { StageComparison } from '../../../electron/contract/batch';
import { BarChart } from '../../charts/chart-block';
import { formatCount } from '../../format/numbers';

/** Names of `bins` bins: 0, 1, 2, 3-4, 5-8, ... and the last one open. */
export function ulpBinNames(bins: number): string[] {
  return Array.from({ length: bins }, (_, bin) => {
    if (bin < 3) return String(bin);
    const first = 2 ** (bin - 2) + 1;
    return bin === bins - 1 ? `>${first - 1}` : `${first}-${2 ** (bin - 1)}`;
  });
}

export function UlpHistogram({
  comparison,
  name,
  height,
}: {
  comparison: StageComparison | null;
  name: string;
  height: number;
}) {
  const points = useMemo(() => {
    const counts = comparison?.ulpHistogram ?? new Float64Array(0);
    const names = ulpBinNames(counts.length);
    return Array.from(counts, (elements, bin) => ({ ulp: names[bin] ?? '', elements }));
  }, [comparison]);
  return (
    <BarChart
      title="Distance"
      note="bf16 units in the last place"
      name={`${name}-ulp`}
      points={points}
      x="ulp"
      xLabel="ULP"
      yLabel="elements"
      series={[{ key: 'elements', name: 'elements', color: 'var(--accent)' }]}
      height={height}
      formatY={formatCount}
      empty="Nothing was compared."
    />
  );
}
