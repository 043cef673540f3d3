/** One batch: how evenly it spreads, what uniform routing would do, and its floors. */
import { AppError } from '../../../contract/errors';
import type { BatchRouting } from '../../../contract/routing';
import type { NativeBinding, TaskOptions } from '../../native/binding';
import { isUnavailable, type Source } from '../../run/source';
import { bytesPerExpert, floorDevices, floorOf } from './floors';

/** Draws of uniform routing: enough for three digits on a small batch, bounded so that a large one stays quick. */
const mostDraws = 256;
const leastDraws = 16;
const pairsDrawn = 2 ** 20;
const seed = 1n;

/**
 * @throws AppError `session-incomplete` where a recording does not hold the batch's routing
 */
export async function batchRouting(
  binding: Pick<NativeBinding, 'routingStats' | 'balance' | 'uniformBalance' | 'expectedUnique'>,
  source: Source,
  batch: number,
  task?: TaskOptions,
): Promise<BatchRouting> {
  const input = await source.input(batch);
  if (isUnavailable(input)) {
    throw new AppError({
      code: 'session-incomplete',
      message: `The routing of batch ${batch} is not known.`,
      found: input.reason,
    });
  }
  const { shape } = source;
  const { experts, topK } = shape;
  const { tokens, routedPairs } = source.table.row(batch);
  const { tileM } = await source.decision(batch);
  const { rowsPerExpert } = binding.routingStats(input.topkIds, experts, tileM);
  const balance = binding.balance(rowsPerExpert, tileM);
  const draws = Math.min(mostDraws, Math.max(leastDraws, Math.floor(pairsDrawn / Math.max(1, routedPairs))));
  const uniform = await binding.uniformBalance({ experts, topK, tileM, tokens, draws, seed }, task);
  const expectedUnique = binding.expectedUnique(experts, topK, tokens);
  const reached = { tokens, unique: balance.unique, expectedUnique };
  return {
    batch,
    tokens,
    routedPairs,
    topK,
    experts,
    tileM,
    balance,
    uniform,
    draws,
    expectedUnique,
    bytesPerExpert: bytesPerExpert(shape),
    floors: floorDevices.map((device) => floorOf(shape, reached, device)),
    provenance: source.provenance(batch),
  };
}
