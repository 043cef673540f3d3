/** Repeats the batch with other accumulation seeds: what of the difference is noise, and whether a side gives the same bits twice. */
import { useEffect, useRef, useState } from 'react';
import type { Diff } from '../../../electron/contract/batch';
import type { Noise } from '../../../electron/contract/element';
import { AppError, type AppErrorData } from '../../../electron/contract/errors';
import { formatError } from '../../format/numbers';
import { Block, ErrorState } from '../../frame/panel-frame';
import { ask } from '../../stores/request';
import { comparisonKey, sideTitles, stageTitles, useDiff } from './state';
import './noise.css';

const mostRuns = 64;

/** A number of runs as typed: 1 to 64. null = not one. */
export function parseRuns(text: string): number | null {
  const value = Number(text);
  return /^\d+$/.test(text.trim()) && value >= 1 && value <= mostRuns ? value : null;
}

export function NoiseBlock({ diff }: { diff: Diff }) {
  const noise = useDiff((state) => state.noise);
  const [text, setText] = useState('8');
  const [error, setError] = useState<AppErrorData | null>(null);
  const [running, setRunning] = useState(false);
  const underWay = useRef<AbortController | null>(null);
  const key = comparisonKey(diff.batch, diff);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another comparison ends the repetition of the one before
  useEffect(() => () => underWay.current?.abort(), [key]);
  const runs = parseRuns(text);
  const repeat = async () => {
    if (runs === null) return;
    const abort = new AbortController();
    underWay.current = abort;
    setRunning(true);
    setError(null);
    const { batch, a, b, rtol, atol } = diff;
    try {
      const found = await ask(
        'diff.noise',
        { batch, a, b, rtol, atol, runs },
        { signal: abort.signal, label: 'repeating' },
      );
      if (!abort.signal.aborted) useDiff.setState({ noise: { of: key, found } });
    } catch (thrown) {
      const failure = AppError.from(thrown).toData();
      if (failure.code !== 'cancelled') setError(failure);
    } finally {
      setRunning(false);
    }
  };
  const shown = noise?.of === key ? noise.found : null;
  const { repeat: reason } = diff.cannot;
  return (
    <Block
      title="Noise floor"
      note="the same batch again"
      actions={
        <span className="noise-controls">
          <label>
            runs
            <input
              className="input number noise-runs"
              aria-label="Runs of each side"
              aria-invalid={runs === null}
              title={`1 to ${mostRuns} runs of each side, each with another order of its contributions`}
              disabled={reason !== ''}
              value={text}
              size={3}
              onChange={(event) => setText(event.target.value)}
            />
          </label>
          {running ? (
            <button type="button" className="button small" onClick={() => underWay.current?.abort()}>
              Cancel
            </button>
          ) : (
            <button
              type="button"
              className="button small"
              disabled={runs === null || reason !== ''}
              title={reason || undefined}
              onClick={repeat}
            >
              Repeat
            </button>
          )}
        </span>
      }
    >
      {error && <ErrorState error={error} onDismiss={() => setError(null)} />}
      {shown ? <NoiseFigures noise={shown} /> : !error && <NoiseHint running={running} reason={reason} />}
    </Block>
  );
}

function NoiseHint({ running, reason }: { running: boolean; reason: string }) {
  return (
    <p className="muted noise-text">
      {running
        ? 'Each run adds its contributions in another order.'
        : reason ||
          'Runs both sides again with other accumulation seeds, and takes sums of a sample in other orders and in fp64.'}
    </p>
  );
}

function NoiseFigures({ noise }: { noise: Noise }) {
  const output = noise.stages[noise.stages.length - 1];
  return (
    <div className="noise" data-testid="diff-noise">
      <table className="noise-table">
        <thead>
          <tr>
            <th scope="col">output</th>
            <th scope="col">same bits</th>
            <th scope="col">max</th>
            <th scope="col">p95</th>
            <th scope="col">orders, max</th>
            <th scope="col">fp64</th>
          </tr>
        </thead>
        <tbody>
          {output?.sides.map(({ side, repeats, orders }) => (
            <tr key={side}>
              <th scope="row">{sideTitles[side]}</th>
              <td className="number">
                {repeats.identical}/{repeats.runs}
              </td>
              <td className="number">{formatError(repeats.max)}</td>
              <td className="number">{formatError(repeats.p95)}</td>
              <td className="number">{orders ? formatError(orders.max) : '-'}</td>
              <td className="number">{orders ? formatError(orders.fp64) : '-'}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="muted noise-text">
        NRMSE against the side's own answer. {noise.deterministic ? 'Every run gave the same bits. ' : ''}
        {noise.firstDiverging
          ? `Above the floor from ${stageTitles[noise.firstDiverging]} on.`
          : 'No stage is out of tolerance and above its floor.'}
      </p>
      {noise.remarks.map((remark) => (
        <p key={remark} className="muted noise-text">
          {remark}
        </p>
      ))}
    </div>
  );
}
