/** Subject: the link to the engine. Its state as last sent, requests that take long, the last failure. */
import { create } from 'zustand';
import type { AppErrorData } from '../../electron/contract/errors';
import type { EngineState } from '../../electron/contract/session';
import type { EngineClient, Shell } from './engine-client';

/** A request that a person waits for: shown as a bar with Cancel once it is older than 300 ms. */
export interface Task {
  key: number;
  /** id under which the engine reports progress; null until it is known */
  request: number | null;
  label: string;
  /** units of the engine's own choice; total 0 = unknown */
  done: number;
  total: number;
  startedAt: number;
  cancel: () => void;
}

export interface ConnectionState {
  status: 'connecting' | 'open' | 'gone';
  /** one sentence why the engine is gone; empty otherwise */
  reason: string;
  client: EngineClient | null;
  shell: Shell;
  /** name and version of the tool at the other end */
  tool: string;
  /** the engine's state as last sent; null before the first hello */
  engine: EngineState | null;
  tasks: Task[];
  /** the last failure, shown as a card until dismissed */
  failure: AppErrorData | null;
  /** warnings of this window's life, newest last */
  warnings: string[];
}

export const useConnection = create<ConnectionState>(() => ({
  status: 'connecting',
  reason: '',
  client: null,
  shell: { host: 'memory' },
  tool: '',
  engine: null,
  tasks: [],
  failure: null,
  warnings: [],
}));

/** Shows a failure as a card; `cancelled` is the person's own doing and shows nothing. */
export function showFailure(failure: AppErrorData): void {
  if (failure.code !== 'cancelled') useConnection.setState({ failure });
}

/** Takes the card away. */
export function dismissFailure(): void {
  useConnection.setState({ failure: null });
}

/** Whether a layer is there to run or to look at: loaded or in a replayed session. */
export const selectHasLayer = (state: ConnectionState): boolean => !!state.engine?.layer;
export const selectReplay = (state: ConnectionState): boolean => state.engine?.source === 'replay';
