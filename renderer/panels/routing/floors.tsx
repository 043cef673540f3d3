/** What the batch must cost at least on a device, computed, beside what it took where it ran. */
import { type BatchRow, measuredMicroseconds } from '../../../electron/contract/batch';
import type { BatchRouting, Floor } from '../../../electron/contract/routing';
import { ExportButtons } from '../../charts/export-buttons';
import { toCsv } from '../../format/csv';
import { formatBytes, formatMicroseconds, formatValue } from '../../format/numbers';
import { KernelLabel } from '../../frame/kernel-label';
import { Block } from '../../frame/panel-frame';
import { useRouting } from './state';

const rateOf = ({ rate, precision }: Floor['device']) => `${formatValue(rate / 1e12, 4)} TFLOP/s ${precision}`;
const bandwidthOf = ({ bandwidth }: Floor['device']) => `${formatValue(bandwidth / 1e12, 4)} TB/s`;

interface FloorsProps {
  routing: BatchRouting;
  row: BatchRow;
}

export function Floors({ routing, row }: FloorsProps) {
  const chosen = useRouting((state) => state.device);
  const floor = routing.floors.find(({ device }) => device.id === chosen) ?? routing.floors[0];
  if (!floor) return null;
  const { device } = floor;
  const least = Math.max(floor.memory, floor.math);
  const bars: { name: string; time: number; note: string; bound: boolean }[] = [
    {
      name: 'memory floor',
      time: floor.memory,
      bound: floor.memory >= floor.math,
      note: `${routing.balance.unique} experts x ${formatBytes(routing.bytesPerExpert)} at ${bandwidthOf(device)}`,
    },
    {
      name: 'the same, uniform',
      time: floor.memoryUniform,
      bound: false,
      note: `${formatValue(routing.expectedUnique, 4)} experts expected`,
    },
    {
      name: 'math floor',
      time: floor.math,
      bound: floor.math > floor.memory,
      note: `${routing.routedPairs} routed pairs at ${rateOf(device)}`,
    },
  ];
  const longest = Math.max(...bars.map(({ time }) => time));
  const csv = () =>
    toCsv(
      [
        'device',
        'memory floor (us)',
        'uniform (us)',
        'math floor (us)',
        'bytes/s',
        'FLOP/s',
        'basis',
        'source',
        'date',
      ],
      routing.floors.map(({ device: each, memory, memoryUniform, math }) => [
        each.name,
        memory,
        memoryUniform,
        math,
        each.bandwidth,
        each.rate,
        each.basis,
        each.source,
        each.date,
      ]),
    );
  return (
    <Block
      title="Floors"
      note={`computed for ${device.name}; nothing ran there`}
      actions={<ExportButtons name="floors" csv={csv} />}
    >
      <div className="floors" data-testid="routing-floors">
        <label className="floors-device">
          Device
          <select
            className="select"
            value={device.id}
            onChange={(event) => useRouting.setState({ device: event.target.value })}
          >
            {routing.floors.map(({ device: each }) => (
              <option key={each.id} value={each.id}>
                {each.name}
              </option>
            ))}
          </select>
          <span className="muted">
            {bandwidthOf(device)}, {rateOf(device)} ({device.basis})
          </span>
        </label>
        <table className="routing-table floors-table">
          <tbody>
            {bars.map(({ name, time, note, bound }) => (
              <tr key={name} className={bound ? 'floors-bound' : ''}>
                <td>{name}</td>
                <td className="floors-bar">
                  <i style={{ width: `${longest > 0 ? (time / longest) * 100 : 0}%` }} />
                </td>
                <td className="number right">{formatMicroseconds(time)}</td>
                <td className="muted" title={note}>
                  {note}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        <p>
          The batch is bound by {floor.memory >= floor.math ? 'memory' : 'math'} there: at least{' '}
          <b className="number">{formatMicroseconds(least)}</b>, without launches, activations or padding.
        </p>
        <p>
          Measured: <KernelLabel kernel={row.kernel} />{' '}
          <b className="number volatile">{formatMicroseconds(measuredMicroseconds(row))}</b>{' '}
          <span className="muted volatile volatile-gone">on {routing.provenance}</span>
        </p>
        <p className="muted">
          Bandwidth and rate of the machine that ran it were not measured, so it has no floor here and the two times are
          not of one machine.
        </p>
        <p className="muted floors-source">
          {device.source}; {device.date}
        </p>
      </div>
    </Block>
  );
}
