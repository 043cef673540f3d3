/** The strip along the bottom: where the numbers come from and how the engine fares. */
import { useState } from 'react';
import { invoke } from '../commands/registry';
import { formatBytes, formatCount } from '../format/numbers';
import { useConnection } from '../stores/connection';
import { useRun } from '../stores/run';
import { useNotice } from './notice';
import './status-bar.css';

export function StatusBar() {
  const notice = useNotice((state) => state.text);
  return (
    <footer className="status-bar" data-testid="status-bar">
      <DeviceFacts />
      <RunFacts />
      <span className="status-notice volatile" role="status">
        {notice}
      </span>
      <Recording />
      <Memory />
      <Warnings />
    </footer>
  );
}

function DeviceFacts() {
  const device = useConnection((state) => state.engine?.device ?? null);
  const state = useConnection((state) => state.engine?.state ?? 'empty');
  if (!device) return <span className="status-item">no device</span>;
  return (
    <>
      <span className="status-item">{state}</span>
      <span className="status-item volatile volatile-gone" title={`${device.arch} ${device.driver}`.trim()}>
        {device.name}
      </span>
      <span className="status-item" title={`times: ${device.timingSource}`}>
        {device.provider} <span className="number">{device.version}</span>
      </span>
    </>
  );
}

function RunFacts() {
  const total = useRun((state) => state.total);
  const dropped = useRun((state) => state.stats?.dropped ?? state.dropped);
  const running = useConnection((state) => state.engine?.state === 'running' && state.link.status === 'open');
  const measured = useRun((state) => state.stats?.batchesPerSecond ?? 0);
  const rate = running ? measured : 0;
  return (
    <>
      <span className="status-item">
        <span className="number">{formatCount(total)}</span> {total === 1 ? 'batch' : 'batches'}
      </span>
      <span className="status-item volatile">
        <span className="number status-rate">{rate.toFixed(1)}</span> batches/s
      </span>
      <span
        className={dropped > 0 ? 'status-item status-warn' : 'status-item'}
        title="rows left out of live updates; none is lost"
      >
        <span className="number">{formatCount(dropped)}</span> dropped
      </span>
    </>
  );
}

function Recording() {
  const recording = useConnection((state) => state.engine?.recording);
  if (!recording?.active) return null;
  return (
    <span className="status-item status-recording" title={recording.path}>
      recording <span className="number">{formatCount(recording.batches)}</span>{' '}
      {recording.batches === 1 ? 'batch' : 'batches'},{' '}
      <span className="number volatile">{formatBytes(recording.bytes)}</span>
    </span>
  );
}

function Memory() {
  const bytes = useConnection((state) => state.engine?.memoryBytes);
  const held = useConnection((state) => state.engine?.deviceMemory);
  return (
    <>
      <span className="status-item volatile" title="memory the engine holds for tensors and batches">
        memory <span className="number">{formatBytes(bytes)}</span>
      </span>
      {held && (
        <span
          className="status-item volatile"
          title={`memory of the GPU: tensors, copies of them in the kernels' order, buffers of runs; ${formatCount(held.graphs)} captured graphs`}
        >
          GPU <span className="number">{formatBytes(held.tensors + held.reordered + held.runs)}</span>
        </span>
      )}
    </>
  );
}

const noWarnings: string[] = [];

function Warnings() {
  const own = useConnection((state) => state.warnings);
  const engine = useConnection((state) => state.engine?.warnings ?? noWarnings);
  const checkpoint = useConnection((state) => state.engine?.checkpoint?.warnings ?? noWarnings);
  const link = useConnection((state) => state.link.status);
  const [open, setOpen] = useState(false);
  const all = [...new Set([...engine, ...checkpoint, ...own])];
  return (
    <span className="status-warnings">
      {(link === 'engine-gone' || link === 'closed') && (
        <button type="button" className="button small" onClick={() => invoke('engine.restart')}>
          Restart engine
        </button>
      )}
      <button
        type="button"
        className={all.length > 0 ? 'status-button status-warn' : 'status-button'}
        aria-expanded={open}
        disabled={all.length === 0}
        onClick={() => setOpen(!open)}
      >
        <span className="number">{all.length}</span> {all.length === 1 ? 'warning' : 'warnings'}
      </button>
      {open && all.length > 0 && (
        <ul className="warning-list" aria-label="Warnings">
          {all.map((text) => (
            <li key={text} className="selectable">
              {text}
            </li>
          ))}
        </ul>
      )}
    </span>
  );
}
