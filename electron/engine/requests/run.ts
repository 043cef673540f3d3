import { AppError } from '../../contract/errors';
import { CONTRACT_VERSION } from '../../contract/messages';
import { type Handlers, taskOf } from './handler';

type Names =
  | 'hello'
  | 'checkpoint.open'
  | 'layer.load'
  | 'run.start'
  | 'run.pause'
  | 'run.step'
  | 'run.reset'
  | 'run.threshold'
  | 'run.workload';

/** What opens, loads and runs. */
export const runHandlers: Handlers<Names> = {
  hello: ({ inspector, tool }, { contract }) => {
    if (contract !== CONTRACT_VERSION) {
      throw new AppError({
        code: 'unsupported',
        message: 'Window and engine are of different versions.',
        subject: 'contract',
        expected: String(CONTRACT_VERSION),
        found: String(contract),
        remedy: 'Reload the window, or start MoEscope again.',
      });
    }
    return { contract: CONTRACT_VERSION, tool, state: inspector.state() };
  },
  'checkpoint.open': ({ inspector }, { path }, call) => {
    call.progress('reading headers', 0, 1);
    return inspector.openCheckpoint(path, call.signal);
  },
  'layer.load': ({ inspector }, params, call) =>
    inspector.loadLayer(params, taskOf(call, 'loading the layer'), call.signal),
  'run.start': async ({ inspector }, { workload }) => {
    await inspector.start(workload);
    return {};
  },
  'run.pause': async ({ inspector }) => {
    await inspector.pause();
    return {};
  },
  'run.step': ({ inspector }, { tokens }, call) => inspector.step(tokens, call.cancel),
  'run.reset': async ({ inspector }) => {
    await inspector.reset();
    return {};
  },
  'run.threshold': async ({ inspector }, { tokens }) => {
    await inspector.setThreshold(tokens);
    return { tokens };
  },
  'run.workload': ({ inspector }, change) => inspector.setWorkload(change),
};
