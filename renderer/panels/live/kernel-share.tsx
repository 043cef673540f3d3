/** How the batches divide over the kernels, and how long each takes. */
import { useRef } from 'react';
import { ExportButtons } from '../../charts/export-buttons';
import { toCsv } from '../../format/csv';
import { formatCount, formatShare, microseconds } from '../../format/numbers';
import { KernelLabel } from '../../frame/kernel-label';
import { Block } from '../../frame/panel-frame';
import { useRun } from '../../stores/run';
import { kernelColor, kernelNames } from '../../theme/palette';

export function KernelShare() {
  const stats = useRun((state) => state.stats);
  const body = useRef<HTMLDivElement>(null);
  const all = stats?.batches ?? 0;
  const kernels = stats?.byKernel ?? [];
  // kernels count the batches that they timed
  const failed = all - kernels.reduce((sum, { batches }) => sum + batches, 0);
  const csv = () =>
    toCsv(
      ['kernel', 'batches', 'p50 (us)', 'p95 (us)', 'p99 (us)'],
      [
        ...kernels.map(({ kernel, batches, p50, p95, p99 }) => [kernelNames[kernel], batches, p50, p95, p99]),
        ...(failed > 0 ? [['failed', failed]] : []),
      ],
    );
  return (
    <Block
      title="Share of paths"
      note={all > 0 ? countText(all, failed) : undefined}
      actions={all > 0 && <ExportButtons name="share-of-paths" csv={csv} />}
    >
      <div ref={body}>
        {all === 0 ? (
          <div className="chart-empty live-share-empty">No batches counted yet.</div>
        ) : (
          <>
            <div className="share-bar" role="img" aria-label="Share of batches by kernel">
              {kernels.map(({ kernel, batches }) => (
                <i
                  key={kernel}
                  title={`${kernelNames[kernel]}: ${formatShare(batches / all)}`}
                  style={{ width: `${(batches / all) * 100}%`, background: kernelColor(kernel) }}
                />
              ))}
              {failed > 0 && (
                <i
                  title={`failed: ${formatShare(failed / all)}`}
                  style={{ width: `${(failed / all) * 100}%`, background: 'var(--error)' }}
                />
              )}
            </div>
            <table className="share-table">
              <thead>
                <tr>
                  <th>Kernel</th>
                  <th className="share-count">Batches</th>
                  <th>Share</th>
                  <th>p50</th>
                  <th>p95</th>
                  <th>p99</th>
                </tr>
              </thead>
              <tbody>
                {kernels.map(({ kernel, batches, p50, p95, p99 }) => (
                  <tr key={kernel}>
                    <td>
                      <KernelLabel kernel={kernel} />
                    </td>
                    <td className="number share-count">{formatCount(batches)}</td>
                    <td className="number">{formatShare(batches / all)}</td>
                    {[p50, p95, p99].map((time, at) => (
                      // biome-ignore lint/suspicious/noArrayIndexKey: three fixed columns
                      <td key={at} className="number">
                        <Time value={time} />
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </>
        )}
      </div>
    </Block>
  );
}

/** "5 batches, 1 failed" */
function countText(all: number, failed: number): string {
  const text = `${formatCount(all)} ${all === 1 ? 'batch' : 'batches'}`;
  return failed > 0 ? `${text}, ${formatCount(failed)} failed` : text;
}

function Time({ value }: { value: number }) {
  const { text, unit } = microseconds(value);
  return (
    <span className="volatile">
      {text} <span className="unit">{unit}</span>
    </span>
  );
}
