import { AppError } from '../../contract/errors';
import { diffStages, diffTile } from '../analysis/diff';
import { explainBatch } from '../analysis/explain-batch';
import { elementHistory } from '../analysis/history';
import { measureNoise } from '../analysis/noise';
import { batchDetail } from '../run/detail';
import { rerunOnPath } from '../run/rerun-path';
import { buildStats, buildWhatIf, nearestOther } from '../run/statistics';
import { buildTimeline } from '../run/timeline';
import { type Handlers, throwIfCancelled } from './handler';

type Names =
  | 'run.stats'
  | 'run.whatIf'
  | 'batches.rows'
  | 'batches.timeline'
  | 'batch.detail'
  | 'batch.nearestOther'
  | 'batch.rerun'
  | 'diff.stages'
  | 'diff.explain'
  | 'diff.noise'
  | 'diff.history'
  | 'diff.tile';

const emptyStats = { batches: 0, byKernel: [], tokensHistogram: [], batchesPerSecond: 0, dropped: 0 };

/** What is asked about batches; the same code for a live run and a recorded one. */
export const batchHandlers: Handlers<Names> = {
  'run.stats': ({ inspector, dropped }) => {
    const source = inspector.sourceOrNull();
    if (!source) return emptyStats;
    const stats = buildStats(source.table, source.visible(), dropped());
    // The rate is of what goes on, or of the recording; a run that stands still has none.
    const standsStill = source.kind === 'live' && inspector.machine.state !== 'running';
    return standsStill ? { ...stats, batchesPerSecond: 0 } : stats;
  },
  'run.whatIf': ({ inspector }, { threshold }) => {
    const source = inspector.source();
    return buildWhatIf(source.table, source.visible(), threshold);
  },
  'batches.rows': ({ inspector }, { first, count, path }) => {
    const source = inspector.sourceOrNull();
    return source ? source.table.rows(first, count, source.visible(), path) : { total: 0, rows: [] };
  },
  'batches.timeline': ({ inspector }, { first, last, columns }) => {
    if (!Number.isFinite(first) || !Number.isFinite(last)) {
      throw new AppError({
        code: 'bad-option',
        message: 'The range of a timeline must be finite.',
        subject: 'first, last',
        found: `${first}, ${last}`,
      });
    }
    const source = inspector.source();
    return buildTimeline(source.table, source.visible(), first, last, columns);
  },
  'batch.detail': ({ inspector }, { batch }) => batchDetail(inspector.binding, inspector.sourceWith(batch), batch),
  'batch.nearestOther': ({ inspector }, { batch }) => {
    const source = inspector.sourceWith(batch);
    return { batch: nearestOther(source.table, source.visible(), batch) };
  },
  'batch.rerun': ({ inspector }, { batch, path }, call) =>
    rerunOnPath(inspector.binding, inspector.sourceWith(batch), batch, path, call.cancel),
  'diff.stages': async ({ inspector }, { batch, ...request }, call) => {
    const diff = await diffStages(inspector.binding, inspector.sourceWith(batch), { batch, ...request }, call.cancel);
    throwIfCancelled(call);
    return diff;
  },
  'diff.explain': ({ inspector }, request, call) =>
    explainBatch(inspector.binding, inspector.sourceWith(request.batch), request, call),
  'diff.noise': ({ inspector }, request, call) =>
    measureNoise(inspector.binding, inspector.sourceWith(request.batch), request, call),
  'diff.history': ({ inspector }, request, call) =>
    elementHistory(inspector.sourceWith(request.batch), request, call.cancel),
  'diff.tile': ({ inspector }, { batch, ...request }, call) =>
    diffTile(inspector.binding, inspector.sourceWith(batch), { batch, ...request }, call.cancel),
};
