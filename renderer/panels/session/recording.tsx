/** Start and stop a recording. */
import { useState } from 'react';
import { AppError } from '../../../electron/contract/errors';
import type { EngineState } from '../../../electron/contract/session';
import { invoke, runCommand } from '../../commands/registry';
import { formatBytes, formatCount } from '../../format/numbers';
import { Block, Facts } from '../../frame/panel-frame';
import { showFailure, useConnection } from '../../stores/connection';

export function Recording({ engine }: { engine: EngineState }) {
  const { recording } = engine;
  return (
    <Block title="Recording" note={recording.active ? 'writing' : undefined}>
      {recording.active ? <Active {...recording} /> : <Start engine={engine} />}
    </Block>
  );
}

function Active({ path, bytes, batches }: EngineState['recording']) {
  return (
    <>
      <Facts
        rows={[
          [
            'Folder',
            <span key="folder" className="volatile">
              {path}
            </span>,
          ],
          [
            'Batches',
            <span key="batches" className="volatile">
              {formatCount(batches)}
            </span>,
          ],
          [
            'Written',
            <span key="bytes" className="volatile">
              {formatBytes(bytes)}
            </span>,
          ],
        ]}
      />
      <button type="button" className="button" onClick={() => invoke('session.stopRecording')}>
        Stop recording
      </button>
    </>
  );
}

/** Why nothing can be recorded now; empty when it can. */
export function whyNotRecord(engine: EngineState): string {
  if (engine.source === 'replay') return 'A recorded session is open. Close it to record a live layer.';
  if (!engine.layer) return 'No layer is loaded.';
  return '';
}

function Start({ engine }: { engine: EngineState }) {
  const client = useConnection((state) => state.client);
  const [path, setPath] = useState('');
  const [taps, setTaps] = useState(true);
  const [notes, setNotes] = useState('');
  const reason = whyNotRecord(engine);
  const pick = async () => {
    const folder = await client?.shell.pickFolder('Folder in which the session is created');
    if (!folder) return;
    const name = engine.checkpoint?.name ?? 'layer';
    setPath(`${folder.replace(/\/+$/, '')}/${name}-layer${engine.layer?.index ?? 0}.moesession`);
  };
  const start = () =>
    runCommand('session.record', { path: path.trim(), taps })
      .then(() => (notes.trim() ? runCommand('session.annotate', { notes }) : null))
      .catch((thrown) => showFailure(AppError.from(thrown).toData()));
  if (reason) return <p className="muted">{reason}</p>;
  return (
    <div className="session-form">
      <div className="session-path">
        <input
          className="input mono"
          aria-label="Folder of the recording"
          placeholder="new folder, name.moesession"
          value={path}
          onChange={(event) => setPath(event.target.value)}
        />
        <button type="button" className="button" onClick={pick}>
          Choose…
        </button>
      </div>
      <label>
        <input type="checkbox" checked={taps} onChange={(event) => setTaps(event.target.checked)} />
        with activations of every stage (larger; Diff then works stage by stage in replay)
      </label>
      <input
        className="input"
        aria-label="Notes of the recording"
        placeholder="notes, optional"
        value={notes}
        onChange={(event) => setNotes(event.target.value)}
      />
      <button type="button" className="button primary" disabled={path.trim() === ''} onClick={start}>
        Record
      </button>
    </div>
  );
}
