/** What is run: the workload of the engine, changed while it runs. */
import { useEffect, useRef, useState } from 'react';
import { create } from 'zustand';
import type { Workload } from '../../electron/contract/session';
import { invoke } from '../commands/registry';
import { useConnection } from '../stores/connection';
import './dialog.css';

export const useWorkloadDialog = create<{ open: boolean }>(() => ({ open: false }));
const close = () => useWorkloadDialog.setState({ open: false });

const kinds: Record<Workload['kind'], string> = {
  mix: 'prefill and decode mixed',
  decode: 'decode only',
  prefill: 'prefill only',
  sequence: 'given token counts, in a circle',
};

type NumberField = 'maxTokens' | 'prefillShare' | 'skew' | 'sigma' | 'seed' | 'batches' | 'rate' | 'compareEvery';

const fields: { key: NumberField; label: string; note: string; step: number }[] = [
  { key: 'maxTokens', label: 'Most tokens', note: 'a batch', step: 1 },
  { key: 'prefillShare', label: 'Share of prefill', note: '0 to 1, of a mix', step: 0.05 },
  { key: 'skew', label: 'Routing skew', note: '0 = uniform, s of a Zipf law over experts', step: 0.1 },
  { key: 'sigma', label: 'Activation sigma', note: 'x ~ N(0, sigma)', step: 0.1 },
  { key: 'seed', label: 'Seed', note: 'same seed, same batches', step: 1 },
  { key: 'rate', label: 'Rate', note: 'batches/s at most, 0 = as fast as it goes', step: 1 },
  { key: 'batches', label: 'Stop after', note: 'batches, 0 = until paused', step: 1 },
  { key: 'compareEvery', label: 'Compare every', note: 'n-th batch on the other path too, 0 = never', step: 1 },
];

export function WorkloadDialog() {
  const open = useWorkloadDialog((state) => state.open);
  const workload = useConnection((state) => state.engine?.workload ?? null);
  return open && workload ? <Form workload={workload} /> : null;
}

function Form({ workload }: { workload: Workload }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [draft, setDraft] = useState(workload);
  const [sequence, setSequence] = useState(workload.tokens.join(' '));
  useEffect(() => dialog.current?.showModal(), []);
  const tokens = sequence
    .split(/[\s,]+/)
    .map(Number)
    .filter((count) => Number.isInteger(count) && count > 0);
  const apply = () => {
    invoke('run.workload', { ...draft, tokens });
    close();
  };
  return (
    <dialog ref={dialog} className="dialog" aria-label="Workload" onClose={close}>
      <form
        className="workload"
        onSubmit={(event) => {
          event.preventDefault();
          apply();
        }}
      >
        <h2>Workload</h2>
        <label>
          <span>Kind</span>
          <select
            className="select"
            value={draft.kind}
            onChange={(event) => setDraft({ ...draft, kind: event.target.value as Workload['kind'] })}
          >
            {Object.entries(kinds).map(([kind, name]) => (
              <option key={kind} value={kind}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {draft.kind === 'sequence' && (
          <label>
            <span>Token counts</span>
            <input className="input mono" value={sequence} onChange={(event) => setSequence(event.target.value)} />
          </label>
        )}
        {fields.map(({ key, label, note, step }) => (
          <label key={key}>
            <span>{label}</span>
            <input
              className="input number"
              type="number"
              step={step}
              min={0}
              value={Number.isNaN(draft[key]) ? '' : draft[key]}
              onChange={(event) => setDraft({ ...draft, [key]: event.target.valueAsNumber })}
            />
            <span className="muted">{note}</span>
          </label>
        ))}
        <div className="dialog-buttons">
          <button type="button" className="button" onClick={close}>
            Cancel
          </button>
          <button
            type="submit"
            className="button primary"
            disabled={
              fields.some(({ key }) => Number.isNaN(draft[key])) || (draft.kind === 'sequence' && tokens.length === 0)
            }
          >
            Apply
          </button>
        </div>
      </form>
    </dialog>
  );
}
