/**
 * A stand-in for the engine that answers a few requests and can be made to fail in every way a real one can. It is told
 * what to do by the requests it gets: see `answers`.
 */
import { AppError } from '../../../electron/contract/errors';
import { CONTRACT_VERSION, type ToEngine } from '../../../electron/contract/messages';
import type { EngineState } from '../../../electron/contract/session';
import type { EnginePort } from '../../../electron/contract/transport';
import type { HostedEngine } from '../../../electron/hosts/engine-host';

export const emptyState: EngineState = {
  state: 'empty',
  source: 'none',
  checkpoint: null,
  layer: null,
  contract: 'unit-alpha',
  rules: 'none',
  ruleFiles: [],
  threshold: { tokens: 0, origin: { kind: 'default', where: 'default' } },
  workload: {
    kind: 'mix',
    tokens: [],
    maxTokens: 256,
    prefillShare: 0.3,
    skew: 0,
    sigma: 1,
    seed: 1,
    batches: 0,
    rate: 4,
    compareEvery: 1,
  },
  device: null,
  providers: [],
  session: null,
  recording: { active: false, path: '', bytes: 0, batches: 0 },
  position: 0,
  batches: 0,
  memoryBytes: 0,
  warnings: [],
  error: null,
};

/** Name of the request that never gets an answer unless it is cancelled. */
export const neverAnswered = 'session.open';

export function openFakeEngine(port: EnginePort): HostedEngine {
  let state = emptyState;
  const become = (change: Partial<EngineState>) => {
    state = { ...state, ...change };
    port.post({ type: 'event', name: 'state', payload: state });
  };
  const answers: Record<string, (id: number, params: never) => unknown> = {
    hello: () => ({ contract: CONTRACT_VERSION, tool: 'fake', state }),
    'run.start': () => {
      become({ state: 'running' });
      return {};
    },
    'run.threshold': (_id, { tokens }: { tokens: number }) => {
      become({ threshold: { tokens, origin: { kind: 'window', where: 'window' } } });
      return { tokens };
    },
    'tensor.histogram': (_id, { plane }: { plane: number }) => ({
      counts: Float64Array.from({ length: 256 }, (_, i) => i + plane),
    }),
    'batches.rows': (id, { count }: { count: number }) => {
      port.post({ type: 'event', name: 'progress', payload: { request: id, label: 'rows', done: 1, total: 2 } });
      for (let i = 0; i < count; i++) {
        port.post({ type: 'event', name: 'batches', payload: { rows: [], total: i, dropped: 1 } });
      }
      return { total: port.backlog(), rows: [] };
    },
    'run.pause': () => process.kill(process.pid, 'SIGSEGV'),
    'run.reset': () =>
      setTimeout(() => {
        throw new AppError({ code: 'device-lost', message: 'The device was lost', remedy: 'Reset it.' });
      }),
    'session.close': () => {
      for (;;);
    },
  };
  const receive = (message: ToEngine) => {
    const { id } = message;
    if (message.type === 'cancel') {
      port.post({ type: 'error', id, error: { code: 'cancelled', message: 'Cancelled.' } });
      return;
    }
    if (message.name === neverAnswered) return;
    const answer = answers[message.name];
    if (answer === undefined) port.post({ type: 'error', id, error: { code: 'usage', message: `no ${message.name}` } });
    else {
      const result = answer(id, message.params as never);
      if (message.name !== 'run.reset') port.post({ type: 'reply', id, result });
    }
  };
  port.onMessage(receive);
  return { close: async () => undefined };
}
