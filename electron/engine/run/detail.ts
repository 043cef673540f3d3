import type { BatchDetail } from '../../contract/batch';
import type { NativeBinding } from '../native/binding';
import { isUnavailable, type Source } from './source';

/**
 * Everything about one batch: decision chain, routing and tile padding, times of each path. From a source, so that live
 * batches and recorded ones are the same. Routing of a recording without inputs is empty arrays and a reason.
 */
export async function batchDetail(
  binding: Pick<NativeBinding, 'routingStats'>,
  source: Source,
  index: number,
): Promise<BatchDetail> {
  const row = source.table.row(index);
  const decision = await source.decision(index);
  const input = await source.input(index);
  const { experts, topK } = source.shape;
  const known = !isUnavailable(input);
  const topkIds = known ? input.topkIds : new Int32Array(0);
  const tileM = Math.max(1, decision.tileM);
  const rowsPerExpert = known ? binding.routingStats(topkIds, experts, tileM).rowsPerExpert : new Int32Array(experts);
  return {
    row,
    decision,
    times: await source.times(index),
    topK,
    experts,
    topkIds,
    topkWeights: known ? input.topkWeights : new Float32Array(0),
    rowsPerExpert,
    ...(!known && { routingReason: input.reason }),
    paddingRows: rowsPerExpert.map((rows) => Math.ceil(rows / tileM) * tileM - rows),
    provenance: source.provenance(index),
    available: source.available(index),
  };
}
