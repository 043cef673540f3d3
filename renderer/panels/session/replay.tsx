/** Open, close and replay a session. */
import { useState } from 'react';
import { AppError } from '../../../electron/contract/errors';
import type { EngineState } from '../../../electron/contract/session';
import { invoke } from '../../commands/registry';
import { formatCount } from '../../format/numbers';
import { Block } from '../../frame/panel-frame';
import { showFailure, useConnection } from '../../stores/connection';
import { selectBatch } from '../../stores/selection';
import { seek } from './commands';

/** Speeds relative to the recording. */
const rates = [0.25, 1, 4, 16, 64] as const;

export function Replay({ engine }: { engine: EngineState }) {
  const replaying = engine.source === 'replay';
  return (
    <Block title="Replay" note={replaying ? undefined : 'needs neither checkpoint nor GPU'}>
      {replaying ? <Controls engine={engine} /> : <Open />}
    </Block>
  );
}

function Open() {
  const client = useConnection((state) => state.client);
  const [path, setPath] = useState('');
  const pick = async () => {
    const folder = await client?.shell.pickFolder('Open a session folder (name.moesession)');
    if (folder) setPath(folder);
  };
  return (
    <form
      className="session-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (path.trim()) invoke('session.open', { path: path.trim() });
      }}
    >
      <div className="session-path">
        <input
          className="input mono"
          aria-label="Folder of the session to open"
          placeholder="name.moesession"
          value={path}
          onChange={(event) => setPath(event.target.value)}
        />
        <button type="button" className="button" onClick={pick}>
          Choose…
        </button>
      </div>
      <button type="submit" className="button" disabled={path.trim() === ''}>
        Open session
      </button>
    </form>
  );
}

function Controls({ engine }: { engine: EngineState }) {
  const [rate, setRate] = useState(1);
  const last = Math.max(0, (engine.session?.batches ?? engine.batches) - 1);
  const position = Math.min(last, Math.max(0, engine.position));
  const playing = engine.state === 'running';
  const go = (batch: number) => {
    const target = Math.min(last, Math.max(0, batch));
    seek(target).then(
      () => selectBatch(target),
      (thrown) => showFailure(AppError.from(thrown).toData()),
    );
  };
  const play = (wanted: number) => invoke('session.play', { rate: wanted });
  return (
    <div className="session-form">
      <input
        type="range"
        aria-label="Batch of the recording"
        min={0}
        max={last}
        value={position}
        onChange={(event) => go(Number(event.target.value))}
      />
      <div className="replay-row">
        <button type="button" className="button icon" aria-label="First batch" onClick={() => go(0)}>
          <span aria-hidden="true">|&lt;</span>
        </button>
        <button type="button" className="button icon" aria-label="Batch before" onClick={() => go(position - 1)}>
          <span aria-hidden="true">&lt;</span>
        </button>
        <button
          type="button"
          className="button"
          aria-pressed={playing}
          onClick={() => (playing ? invoke('run.pause') : play(rate))}
        >
          {playing ? 'Pause' : 'Play'}
        </button>
        <button type="button" className="button icon" aria-label="Batch after" onClick={() => go(position + 1)}>
          <span aria-hidden="true">&gt;</span>
        </button>
        <button type="button" className="button icon" aria-label="Last batch" onClick={() => go(last)}>
          <span aria-hidden="true">&gt;|</span>
        </button>
        <select
          className="select"
          aria-label="Speed of replay"
          value={rate}
          onChange={(event) => {
            const wanted = Number(event.target.value);
            setRate(wanted);
            if (playing) play(wanted);
          }}
        >
          {rates.map((choice) => (
            <option key={choice} value={choice}>
              {choice}×
            </option>
          ))}
        </select>
        <span className="number muted">
          batch {formatCount(position)} of {formatCount(last + 1)}
        </span>
      </div>
      <button type="button" className="button" onClick={() => invoke('session.close')}>
        Close session
      </button>
    </div>
  );
}
