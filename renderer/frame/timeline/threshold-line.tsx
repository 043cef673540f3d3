/** The threshold as a line over the tokens: drag it to see what it would have changed, apply it when that is wanted. */
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from 'react';
import type { WhatIf } from '../../../electron/contract/batch';
import { invoke } from '../../commands/registry';
import { formatCount, formatMicroseconds } from '../../format/numbers';
import { selectReplay, useConnection } from '../../stores/connection';
import { trackWork } from '../../stores/idle';
import { ask } from '../../stores/request';
import { useRun } from '../../stores/run';
import { type TokenScale, tokensToY, yToTokens } from './geometry';

/** The newest threshold asked for; one request at a time. */
let wanted: number | null = null;
let busy = false;

async function askWhatIf(threshold: number): Promise<void> {
  wanted = threshold;
  if (busy) return;
  busy = true;
  const done = trackWork();
  try {
    while (wanted !== null) {
      const next: number = wanted;
      wanted = null;
      useRun.setState({ whatIf: await ask('run.whatIf', { threshold: next }) });
    }
  } catch {
    useRun.setState({ whatIf: null });
  } finally {
    busy = false;
    done();
  }
}

export function ThresholdLine({ scale, left }: { scale: TokenScale; left: number }) {
  const tokens = useConnection((state) => state.engine?.threshold.tokens ?? 0);
  const replay = useConnection(selectReplay);
  const whatIf = useRun((state) => state.whatIf);
  const [tried, setTried] = useState<number | null>(null);
  const from = useRef<number | null>(null);
  const shown = tried ?? tokens;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the engine took another threshold, so what was tried is over
  useEffect(() => {
    setTried(null);
    useRun.setState({ whatIf: null });
  }, [tokens]);

  const attempt = (next: number) => {
    const bounded = Math.max(0, Math.min(scale.max, next));
    setTried(bounded);
    void askWhatIf(bounded);
  };
  const stop = () => {
    setTried(null);
    useRun.setState({ whatIf: null });
  };
  const onPointerMove = (event: PointerEvent<HTMLElement>) => {
    if (from.current === null) return;
    const top = event.currentTarget.parentElement!.getBoundingClientRect().top;
    attempt(yToTokens(event.clientY - top, scale));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.shiftKey ? 16 : 1;
    if (event.key === 'ArrowUp') attempt(shown + step);
    else if (event.key === 'ArrowDown') attempt(shown - step);
    else if (event.key === 'Escape' && tried !== null) stop();
    else if (event.key === 'Enter' && tried !== null && !replay) invoke('run.threshold', { tokens: tried });
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const y = shown > 0 ? tokensToY(shown, scale) : scale.top + scale.height + 3;
  const was = tokens > 0 ? tokensToY(tokens, scale) : scale.top + scale.height + 3;
  return (
    <>
      {tried !== null && (
        <div className="threshold-band" style={{ left, top: Math.min(y, was), height: Math.abs(y - was) }} />
      )}
      <div
        className={tried === null ? 'threshold-line' : 'threshold-line tried'}
        role="slider"
        tabIndex={0}
        aria-label="Threshold, what if"
        aria-orientation="vertical"
        aria-valuemin={0}
        aria-valuemax={scale.max}
        aria-valuenow={shown}
        aria-valuetext={shown === 0 ? 'off, all b12x' : `${shown} tokens`}
        style={{ left, top: y - 4 }}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          from.current = event.clientY;
          event.stopPropagation();
        }}
        onPointerMove={onPointerMove}
        onPointerUp={() => {
          from.current = null;
        }}
        onKeyDown={onKeyDown}
      >
        <span className="threshold-label number">{shown === 0 ? 'threshold off' : `threshold ${shown}`}</span>
      </div>
      {tried !== null && tried !== tokens && (
        <div className="what-if" role="status" data-testid="what-if">
          <WhatIfText threshold={tried} answer={whatIf?.threshold === tried ? whatIf : null} />
          <button
            type="button"
            className="button small primary"
            disabled={replay}
            title={replay ? 'A recorded session is open; its threshold is what it was.' : undefined}
            onClick={() => invoke('run.threshold', { tokens: tried })}
          >
            Apply
          </button>
          <button type="button" className="button small" onClick={stop}>
            Back to {tokens === 0 ? 'off' : tokens}
          </button>
        </div>
      )}
    </>
  );
}

function WhatIfText({ threshold, answer }: { threshold: number; answer: WhatIf | null }) {
  if (!answer) return <span>Threshold {threshold}: asking what it would have changed</span>;
  if (answer.changed === 0) return <span>Threshold {threshold}: no batch seen so far would take the other path</span>;
  const { currentMicroseconds: now, newMicroseconds: then } = answer;
  const change = now > 0 ? ((then - now) / now) * 100 : 0;
  return (
    <span>
      Threshold <b className="number">{threshold}</b>: <b className="number">{formatCount(answer.changed)}</b> batches
      change path ({formatCount(answer.toCutlass)} to CUTLASS, {formatCount(answer.toB12x)} to b12x).
      {answer.measured > 0 && (
        <>
          {' '}
          Measured on {formatCount(answer.measured)}: <span className="number">{formatMicroseconds(now)}</span> now,{' '}
          <span className="number">{formatMicroseconds(then)}</span> then (
          <b className={then <= now ? 'number better' : 'number worse'}>
            {change > 0 ? '+' : ''}
            {change.toFixed(1)} %
          </b>
          ).
        </>
      )}
      {answer.unmeasured > 0 && ` ${formatCount(answer.unmeasured)} have no time on the other path.`}
    </span>
  );
}
