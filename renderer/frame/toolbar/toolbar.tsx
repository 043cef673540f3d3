/** The strip along the top: what is open, how it dispatches, and what to do with it. */
import type { ReactNode } from 'react';
import { contracts } from '../../../electron/contract/layer';
import { invoke } from '../../commands/registry';
import { useConnection } from '../../stores/connection';
import { CommandButton } from './command-button';
import { ThresholdControl } from './threshold-control';
import './toolbar.css';

export function Toolbar() {
  return (
    <header className="toolbar" role="toolbar" aria-label="Main">
      <Source />
      <span className="toolbar-rule" />
      <LayerSelect />
      <ContractSelect />
      <ProviderSelect />
      <span className="toolbar-rule" />
      <ThresholdControl />
      <span className="toolbar-rule" />
      <RunButtons />
      <span className="toolbar-end">
        <RecordButton />
        <SourceBadge />
        <CommandButton id="view.palette" label="All commands" className="quiet icon">
          <Icon path="M2 4h10M2 7h10M2 10h6" />
        </CommandButton>
        <CommandButton id="view.theme" label="Change theme" className="quiet icon">
          <Icon path="M7 2a5 5 0 1 0 0 10a5 5 0 0 0 0-10M7 2v10" />
        </CommandButton>
      </span>
    </header>
  );
}

/** A drawing of 14 x 14 in the colour of its text. */
export function Icon({ path, fill = false }: { path: string; fill?: boolean }) {
  return (
    <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
      <path d={path} fill={fill ? 'currentColor' : 'none'} stroke="currentColor" strokeWidth={fill ? 0 : 1.3} />
    </svg>
  );
}

function Source() {
  const checkpoint = useConnection((state) => state.engine?.checkpoint?.name);
  const session = useConnection((state) => state.engine?.session?.name);
  const path = useConnection((state) => state.engine?.session?.path ?? state.engine?.checkpoint?.path);
  return (
    <span className="toolbar-source">
      <CommandButton id="checkpoint.open" label="Open checkpoint" className="quiet icon">
        <Icon path="M1.5 11.5v-9h4l1.5 2h5.5v7z" />
      </CommandButton>
      <span className="source-name" title={path}>
        {session ?? checkpoint ?? 'No checkpoint'}
      </span>
    </span>
  );
}

function Field({ name, children }: { name: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is the child
    <label className="toolbar-field">
      <span>{name}</span>
      {children}
    </label>
  );
}

/** Why the choices of a loaded layer cannot be changed now; undefined when they can. */
function useFixed(): string | undefined {
  return useConnection(({ link, engine }) => {
    if (link.status !== 'open') return 'The engine is not there.';
    if (engine?.source === 'replay') return 'A recorded session is open: it stays as it was recorded.';
    if (!engine?.checkpoint) return 'Open a checkpoint first.';
    return undefined;
  });
}

function LayerSelect() {
  const layers = useConnection((state) => state.engine?.checkpoint?.layers);
  const loaded = useConnection((state) => state.engine?.layer?.index);
  const fixed = useFixed();
  const moe = layers?.filter(({ kind }) => kind === 'moe') ?? [];
  return (
    <Field name="Layer">
      <select
        className="select number"
        aria-label="Layer"
        disabled={!!fixed}
        title={fixed}
        value={loaded ?? ''}
        onChange={(event) => invoke('layer.load', { layer: Number(event.target.value) })}
      >
        {loaded === undefined && <option value="">-</option>}
        {loaded !== undefined && !moe.some(({ index }) => index === loaded) && <option value={loaded}>{loaded}</option>}
        {moe.map(({ index, prefix }) => (
          <option key={index} value={index} title={prefix}>
            {index}
          </option>
        ))}
      </select>
    </Field>
  );
}

function ContractSelect() {
  const contract = useConnection((state) => state.engine?.contract ?? 'unit-alpha');
  const fixed = useFixed();
  return (
    <Field name="Contract">
      <select
        className="select"
        aria-label="Contract"
        disabled={!!fixed}
        title={fixed}
        value={contract}
        onChange={(event) => invoke('layer.load', { contract: event.target.value })}
      >
        {contracts.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </Field>
  );
}

function ProviderSelect() {
  const providers = useConnection((state) => state.engine?.providers);
  const provider = useConnection((state) => state.engine?.device?.provider ?? '');
  const fixed = useFixed();
  return (
    <Field name="Provider">
      <select
        className="select"
        aria-label="Provider"
        disabled={!!fixed}
        title={fixed}
        value={provider}
        onChange={(event) => invoke('layer.load', { provider: event.target.value })}
      >
        {!providers?.some((device) => device.provider === provider) && (
          <option value={provider}>{provider || '-'}</option>
        )}
        {providers?.map((device) => (
          <option
            key={device.provider}
            value={device.provider}
            disabled={!device.available}
            title={device.available ? device.name : device.reason}
          >
            {device.provider}
          </option>
        ))}
      </select>
    </Field>
  );
}

function RunButtons() {
  const running = useConnection((state) => state.engine?.state === 'running');
  return (
    <span className="toolbar-group">
      {running ? (
        <CommandButton id="run.pause" label="Pause" className="run">
          <Icon fill path="M3 2h3v10H3zM8 2h3v10H8z" />
          Pause
        </CommandButton>
      ) : (
        <CommandButton id="run.start" label="Run" className="run">
          <Icon fill path="M3 2l9 5l-9 5z" />
          Run
        </CommandButton>
      )}
      <CommandButton id="run.step" label="Step: run one batch">
        <Icon fill path="M2 2l6 5l-6 5zM9.5 2h2v10h-2z" />
        Step
      </CommandButton>
      <CommandButton id="run.editWorkload" label="Workload" className="quiet icon">
        <Icon path="M1.5 4h6M10.5 4h2M1.5 10h2M6.5 10h6M9 2v4M5 8v4" />
      </CommandButton>
    </span>
  );
}

function RecordButton() {
  const active = useConnection((state) => !!state.engine?.recording.active);
  return active ? (
    <CommandButton id="session.stopRecording" label="Stop recording" className="recording">
      <Icon fill path="M3 3h8v8H3z" />
      Stop
    </CommandButton>
  ) : (
    <CommandButton id="session.record" label="Record">
      <svg width="10" height="10" aria-hidden="true">
        <circle cx="5" cy="5" r="4" fill="var(--error)" />
      </svg>
      Record
    </CommandButton>
  );
}

function SourceBadge() {
  const source = useConnection((state) => state.engine?.source ?? 'none');
  const status = useConnection((state) => state.link.status);
  const text =
    status === 'connecting'
      ? 'connecting'
      : status !== 'open'
        ? 'no engine'
        : { live: 'LIVE', replay: 'REPLAY', none: 'nothing open' }[source];
  return (
    <span className={`badge source-${status === 'open' ? source : 'gone'}`} data-testid="source-badge" role="status">
      {text}
    </span>
  );
}
