/** H6 from a recording: which order of gate and up explains the output that was recorded. */
import type { Finding } from '../../contract/hazards';
import { hybridPossible } from '../layer/load-layer';
import type { CancelFlag, NativeBinding, NativeTensor } from '../native/binding';
import { isUnavailable } from '../run/source';
import { recordedLayer } from '../session/recorded-layer';
import type { ReplaySource } from '../session/replay-source';
import { findingOf } from './hazard';
import { gateUpOrder } from './prepared';

/**
 * The fp64 answer of the checkpoint is within about 0.25 of any b12x or CUTLASS output (NRMSE; quantizing activations costs
 * 0.2306, FlashInfer #4290), and that of exchanged halves is another function: about 1 or more away.
 */
const explains = 0.5;

/** A finding where the recorded output is that of exchanged halves. Null: it is not, or the session has no weights, gate or output. */
export async function recordedOrder(
  binding: NativeBinding,
  source: ReplaySource,
  cancel?: CancelFlag,
): Promise<Finding | null> {
  if (!source.shape.gated || source.visible() === 0) return null;
  const { path, error } = source.table.row(0);
  if (error || path === 'reference') return null;
  const input = await source.input(0);
  const answer = await source.answer(0, path, path);
  const recorded = isUnavailable(answer) ? undefined : answer.tensors.y;
  if (isUnavailable(input) || !recorded) return null;
  const distance = async (exchanged: boolean): Promise<number | null> => {
    const layer = await recordedLayer(source, binding, { exchanged });
    if (!layer) return null;
    const contract = hybridPossible(layer).possible ? 'ideal' : 'weights-only';
    const reference = await binding.openProvider('reference').createLayer({ checkpoint: layer.native, contract });
    try {
      const { tensors } = await reference.run({
        ...{ tokens: input.tokens, x: input.x, topkIds: input.topkIds, topkWeights: input.topkWeights, path },
        ...{ kernel: 'reference', tileM: 0, tileN: 0, taps: [], deterministic: true, seed: 0 },
        ...(cancel && { cancel }),
      });
      return (await binding.compare(recorded, tensors.y as NativeTensor, { rtol: 0, atol: 0, worst: 0 })).nrmse;
    } finally {
      reference.destroy();
    }
  };
  const asIs = await distance(false);
  if (asIs === null || asIs <= explains) return null;
  const exchanged = await distance(true);
  if (exchanged === null || exchanged > explains) return null;
  return findingOf(gateUpOrder, source.environment.layer.index, {
    severity: 'error',
    tensor: 'checkpoint/w13_weight',
    measured: { nrmseAsIs: asIs, nrmseExchanged: exchanged, batch: 0 },
    explanation: `The recorded output of batch 0 on ${path} is that of a layer with gate and up exchanged: the fp64 answer lies ${exchanged.toPrecision(3)} (NRMSE) from it with the halves exchanged, ${asIs.toPrecision(3)} as the checkpoint has them.`,
    remedy: 'Reorder weights and scales together from [gate, up] to [up, gate] (vLLM reorder_w1w3_to_w3w1), once.',
  });
}
