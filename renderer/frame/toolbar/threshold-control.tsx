/** The CUTLASS prefill threshold: a number and a slider that take effect while the engine runs, and where the value came from. */
import { useEffect, useRef, useState } from 'react';
import { AppError } from '../../../electron/contract/errors';
import { runCommand } from '../../commands/registry';
import { showFailure, useConnection } from '../../stores/connection';

/** Slider steps: 0 = off, then powers of two with three steps between, 1 to 8192. */
const stops = [0, ...new Set(Array.from({ length: 53 }, (_, step) => Math.round(2 ** (step / 4))))];

function nearestStop(tokens: number): number {
  let best = 0;
  for (let at = 1; at < stops.length; at++) {
    if (Math.abs(stops[at]! - tokens) < Math.abs(stops[best]! - tokens)) best = at;
  }
  return best;
}

export function ThresholdControl() {
  const threshold = useConnection((state) => state.engine?.threshold);
  const live = useConnection((state) => state.engine?.source === 'live' && state.link.status === 'open');
  const capable = useConnection((state) => state.engine?.device?.threshold ?? true);
  const send = useNewestOnly();
  const [draft, setDraft] = useState<string | null>(null);
  const tokens = threshold?.tokens ?? 0;
  // The engine's word ends the editing.
  // biome-ignore lint/correctness/useExhaustiveDependencies: on a change of the value, not of the draft
  useEffect(() => setDraft(null), [tokens]);

  const commit = () => {
    if (draft === null) return;
    const value = Number(draft);
    setDraft(null);
    if (draft.trim() !== '' && Number.isInteger(value) && value >= 0 && value !== tokens) send(value);
  };
  const origin = threshold?.origin;
  const why = !live
    ? 'Only a live layer has a threshold to move.'
    : capable
      ? 'Batches of at least this many tokens go to CUTLASS; 0 = all to b12x.'
      : 'This provider has no threshold: the engine will refuse any value above 0.';
  return (
    <span className="threshold-control" title={why}>
      <label className="toolbar-field">
        <span>Threshold</span>
        <input
          className="input number"
          type="text"
          inputMode="numeric"
          aria-label="Threshold"
          disabled={!live}
          value={draft ?? String(tokens)}
          onChange={(event) => setDraft(event.target.value.replace(/\D/g, ''))}
          onBlur={commit}
          onKeyDown={(event) => {
            if (event.key === 'Enter') commit();
            if (event.key === 'Escape') setDraft(null);
          }}
        />
      </label>
      <input
        type="range"
        aria-label="Threshold slider"
        aria-valuetext={tokens === 0 ? 'off' : `${tokens} tokens`}
        min={0}
        max={stops.length - 1}
        step={1}
        disabled={!live}
        value={nearestStop(draft !== null && draft !== '' ? Number(draft) : tokens)}
        onChange={(event) => {
          const value = stops[Number(event.target.value)]!;
          setDraft(String(value));
          send(value);
        }}
      />
      <span className="threshold-origin" data-testid="threshold-origin">
        {origin ? `${tokens === 0 ? 'off, ' : ''}${origin.kind}` : ''}
        {origin?.where && origin.where !== origin.kind && <span className="muted"> {origin.where}</span>}
      </span>
    </span>
  );
}

/** Sends values one at a time; of those that come meanwhile only the newest is sent. */
function useNewestOnly(): (tokens: number) => void {
  const state = useRef<{ busy: boolean; next: number | null }>({ busy: false, next: null });
  return (tokens) => {
    const { current } = state;
    current.next = tokens;
    if (current.busy) return;
    current.busy = true;
    const serve = async () => {
      while (current.next !== null) {
        const value = current.next;
        current.next = null;
        await runCommand('run.threshold', { tokens: value });
      }
    };
    void serve()
      .catch((thrown) => showFailure(AppError.from(thrown).toData()))
      .finally(() => {
        current.busy = false;
      });
  };
}
