/** Subject: the link to the engine. Its state as last sent, requests that take long, the last failure. */
import { create } from 'zustand';
import type { AppErrorData } from '../../electron/contract/errors';
import type { EngineState } from '../../electron/contract/session';
import type { EngineClient, ConnectionState as LinkState } from '../client';

/** A request that a person waits for: shown as a bar with Cancel once it is older than 300 ms. */
export interface Task {
  key: number;
  label: string;
  /** units of the engine's own choice; total 0 = unknown */
  done: number;
  total: number;
  /** performance.now() at the start */
  startedAt: number;
  cancel: () => void;
}

export interface ConnectionState {
  link: LinkState;
  client: EngineClient | null;
  /** the engine's state as last sent; null before the first hello, kept while the engine is gone */
  engine: EngineState | null;
  tasks: Task[];
  /** the last failure, shown as a card until dismissed */
  failure: AppErrorData | null;
  /** warnings of this window's life, newest last, each once */
  warnings: string[];
}

export const useConnection = create<ConnectionState>(() => ({
  link: { status: 'connecting' },
  client: null,
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

/** Whether a layer is there to run or to look at: loaded, or in a replayed session. */
export const selectHasLayer = (state: ConnectionState): boolean => !!state.engine?.layer;
export const selectReplay = (state: ConnectionState): boolean => state.engine?.source === 'replay';
