import { batchRouting } from '../analysis/routing/batch-routing';
import { loadWindow } from '../analysis/routing/load-window';
import { type Handlers, taskOf } from './handler';

type Names = 'routing.window' | 'routing.batch';

/** What is asked about routing; the same code for a live run and a recorded one. */
export const routingHandlers: Handlers<Names> = {
  'routing.window': ({ inspector }, request, call) =>
    loadWindow(inspector.source(), request, {
      signal: call.signal,
      report: (done, total) => call.progress('reading the routing of the recording', done, total),
    }),
  'routing.batch': ({ inspector }, { batch }, call) =>
    batchRouting(inspector.binding, inspector.sourceWith(batch), batch, taskOf(call, 'routing uniformly')),
};
