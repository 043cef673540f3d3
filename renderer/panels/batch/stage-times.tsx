/** Where the time of the batch went, stage by stage, on each path that was run; and the workspace each took. */
import type { BatchDetail } from '../../../electron/contract/batch';
import { ExportButtons } from '../../charts/export-buttons';
import { whyNotRerun } from '../../commands/batch';
import { toCsv } from '../../format/csv';
import { formatBytes, formatMicroseconds } from '../../format/numbers';
import { KernelLabel } from '../../frame/kernel-label';
import { Block } from '../../frame/panel-frame';
import { useConnection } from '../../stores/connection';
import { kernelColor } from '../../theme/palette';
import { stageTable } from './stage-table';

export function StageTimes({ detail }: { detail: BatchDetail }) {
  const { times } = detail;
  // the engine's state changes what can be run
  const whyNot = useConnection(whyNotRerun);
  const { stages, largest, totals } = stageTable(times);
  const csv = () =>
    toCsv(
      ['stage', ...times.map(({ kernel }) => `${kernel} (us)`)],
      [...stages.map(({ stage, microseconds }) => [stage, ...microseconds]), ['whole batch', ...totals]],
    );
  return (
    <Block title="Stage times" note="one scale for all paths" actions={<ExportButtons name="stage-times" csv={csv} />}>
      {times.length === 0 ? (
        <p className="muted">
          {detail.row.error
            ? 'No stage was timed: the batch failed.'
            : 'No stage was timed: the provider gives one time for the whole batch.'}
        </p>
      ) : (
        <table className="stages">
          <thead>
            <tr>
              <th />
              {times.map(({ path, kernel }) => (
                <th key={path}>
                  <KernelLabel kernel={kernel} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {stages.map(({ stage, microseconds }) => (
              <tr key={stage}>
                <td>{stage}</td>
                {microseconds.map((time, at) => (
                  <td key={times[at]!.path}>
                    <StageBar time={time} largest={largest} color={kernelColor(times[at]!.kernel)} />
                  </td>
                ))}
              </tr>
            ))}
            <tr className="stage-total">
              <td>whole batch</td>
              {times.map(({ path }, at) => (
                <td key={path} className="number">
                  <span className="volatile">{formatMicroseconds(totals[at])}</span>
                </td>
              ))}
            </tr>
            <tr>
              <td>workspace</td>
              {times.map(({ path, workspaceBytes }) => (
                <td key={path} className="number">
                  {formatBytes(workspaceBytes)}
                </td>
              ))}
            </tr>
          </tbody>
        </table>
      )}
      {times.length === 1 && (
        <p className="muted">
          The other path was not run on this batch{whyNot ? `. ${whyNot}` : '; "Run again" measures it.'}
        </p>
      )}
    </Block>
  );
}

function StageBar({ time, largest, color }: { time: number | null; largest: number; color: string }) {
  if (time === null) return <span className="muted">not timed</span>;
  const share = largest > 0 ? time / largest : 0;
  return (
    <span className="stage-bar volatile">
      <span className="stage-track">
        <i style={{ width: `${share * 100}%`, background: color }} />
      </span>
      <span className="number">{formatMicroseconds(time)}</span>
    </span>
  );
}
