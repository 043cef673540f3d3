/** The whole window: toolbar, panels, selection, timeline, status. */
import { useState } from 'react';
import { Palette } from '../commands/palette';
import { invoke } from '../commands/registry';
import { dismissFailure, useConnection } from '../stores/connection';
import { useView } from '../stores/view';
import { Details } from './details';
import { Docks } from './docks';
import { ErrorState } from './panel-frame';
import { PathDialog } from './path-dialog';
import { ProgressBar } from './progress-bar';
import { StatusBar } from './status-bar';
import { Timeline } from './timeline/timeline';
import { Toolbar } from './toolbar/toolbar';
import { Welcome } from './welcome';
import { WorkloadDialog } from './workload-dialog';
import './app.css';

export function App() {
  const detailsOpen = useView((state) => state.detailsOpen);
  const empty = useConnection(({ engine }) => !engine?.layer && !engine?.session);
  return (
    <div className="app">
      <Toolbar />
      <ProgressBar />
      <EngineGone />
      <FailureCard />
      <main className="app-main">
        {empty ? <Welcome /> : <Docks />}
        {detailsOpen && !empty && <Details />}
      </main>
      <Timeline />
      <StatusBar />
      <Palette />
      <PathDialog />
      <WorkloadDialog />
    </div>
  );
}

/** The last failure of an action, else what keeps the engine from working. */
function FailureCard() {
  const failure = useConnection((state) => state.failure);
  const lasting = useConnection((state) => state.engine?.error ?? null);
  const [dismissed, setDismissed] = useState('');
  const error = failure ?? (JSON.stringify(lasting) === dismissed ? null : lasting);
  const dismiss = () => {
    setDismissed(JSON.stringify(lasting));
    dismissFailure();
  };
  return error && <ErrorState error={error} onDismiss={dismiss} />;
}

/** The engine's process ended, or its host cannot be reached: what was shown stays, what to do is said. */
function EngineGone() {
  const link = useConnection((state) => state.link);
  if (link.status !== 'engine-gone' && link.status !== 'closed') return null;
  return (
    <ErrorState error={link.error}>
      {link.status === 'engine-gone' ? (
        <button type="button" className="button primary" onClick={() => invoke('engine.restart')}>
          Restart engine
        </button>
      ) : link.retryMs !== null ? (
        <span className="muted">Trying again by itself.</span>
      ) : (
        <button type="button" className="button" onClick={() => location.reload()}>
          Reload
        </button>
      )}
    </ErrorState>
  );
}
