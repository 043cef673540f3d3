/** How often each code occurs: E4M3 with its zero, subnormal, saturated and NaN ranges in their colours; FP4; log2 bins for wide types. */
import { useMemo } from 'react';
import type { TensorDescriptor } from '../../../electron/contract/tensor';
import { BarChart, type Point, type Series } from '../../charts/chart-block';
import { formatCount, formatHex } from '../../format/numbers';

type CodeClass = 'normal' | 'zero' | 'subnormal' | 'saturated' | 'nan';

/** Class of an E4M3 code: exponent bits 0 are zero and subnormal, 0x7E is 448, 0x7F is NaN; bit 7 is the sign. */
export function e4m3Class(code: number): CodeClass {
  const magnitude = code & 0x7f;
  if (magnitude === 0) return 'zero';
  if (magnitude < 8) return 'subnormal';
  if (magnitude === 0x7e) return 'saturated';
  return magnitude === 0x7f ? 'nan' : 'normal';
}

/** Class of an E2M1 code: 1 is its only subnormal (0.5), 7 is 6, its largest value. */
export function e2m1Class(code: number): CodeClass {
  const magnitude = code & 7;
  if (magnitude === 0) return 'zero';
  if (magnitude === 1) return 'subnormal';
  return magnitude === 7 ? 'saturated' : 'normal';
}

const classSeries: readonly Series[] = [
  { key: 'normal', name: 'normal', color: 'var(--accent)' },
  { key: 'zero', name: 'zero', color: 'var(--mark-zero)' },
  { key: 'subnormal', name: 'subnormal', color: 'var(--mark-subnormal)' },
  { key: 'saturated', name: 'saturated', color: 'var(--mark-saturated)' },
  { key: 'nan', name: 'NaN', color: 'var(--mark-nan)' },
];

/** First bin of the histogram of a wide type: |x| in [2^-40, 2^-39). */
const FIRST_EXPONENT = -40;

// Stable, so that the chart is not drawn anew with every pick: 128 bars take 20 ms of it (docs/explorer.md).
const formatWide = (exponent: number | string) => String(exponent);
const formatE2m1 = (code: number | string) => formatHex(Number(code), 4);
const formatE4m3 = (code: number | string) => formatHex(Number(code), 8);

export interface CodeHistogramProps {
  tensor: TensorDescriptor;
  plane: number;
  counts: Float64Array | null;
  height: number;
}

/** Points of the chart: each code's count under the name of its class. Negative E4M3 codes are left out where none occurs. */
export function histogramPoints(tensor: Pick<TensorDescriptor, 'dtype' | 'layout'>, counts: Float64Array): Point[] {
  const classOf = tensor.layout === 'fp4' ? e2m1Class : tensor.dtype === 'F8_E4M3' ? e4m3Class : null;
  if (!classOf) return Array.from(counts, (count, bin) => ({ code: bin + FIRST_EXPONENT, normal: count }));
  const negative = counts.subarray(counts.length / 2).some((count) => count > 0);
  const shown = negative ? counts : counts.subarray(0, counts.length / 2);
  return Array.from(shown, (count, code) => ({ code, [classOf(code)]: count }));
}

export function CodeHistogram({ tensor, plane, counts, height }: CodeHistogramProps) {
  const points = useMemo(() => (counts ? histogramPoints(tensor, counts) : []), [tensor, counts]);
  const series = useMemo(
    () => classSeries.filter(({ key }) => points.some((point) => Number(point[key]) > 0)),
    [points],
  );
  const wide = tensor.layout !== 'fp4' && tensor.dtype !== 'F8_E4M3';
  const format = tensor.layout === 'fp4' ? 'E2M1' : 'E4M3';
  return (
    <BarChart
      title={wide ? 'Histogram of |x|' : `${format} codes`}
      note={wide ? undefined : format === 'E4M3' ? '0x08 = 2^-6, 0x38 = 1, 0x7E = 448' : '0x2 = 1, 0x7 = 6'}
      name={`${tensor.name}-plane${plane}-histogram`}
      points={points}
      x="code"
      xLabel={wide ? 'log2 |x|' : 'code'}
      yLabel="elements"
      series={series}
      stacked
      height={height}
      formatX={wide ? formatWide : format === 'E2M1' ? formatE2m1 : formatE4m3}
      formatY={formatCount}
      empty="Counting…"
    />
  );
}
