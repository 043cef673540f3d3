/** Answers that need no prepared layer: the reference provider on the checkpoint's own scales. */
import type { Decision, ReferenceContract } from '../../contract/layer';
import type { CancelFlag, NativeBinding, Provider, RunResult } from '../native/binding';
import type { LoadedLayer } from './load-layer';
import type { BatchTensors, WrapperOptions } from './wrapper';

export interface ReferenceOptions {
  binding: NativeBinding;
  provider: Provider;
  layer: LoadedLayer;
  contract: ReferenceContract;
  rules: WrapperOptions['rules'];
  taps: readonly string[];
  cancel?: CancelFlag;
}

/**
 * `ideal`, `ideal-per-expert` or `weights-only` of a layer, in fp64.
 * @throws AppError `unsupported` where the provider has no such contract, or the checkpoint no input scales.
 */
export async function runOnReference({
  binding,
  provider,
  layer,
  contract,
  rules,
  taps,
  cancel,
}: ReferenceOptions): Promise<{
  run(batch: BatchTensors): Promise<{ decision: Decision; result: RunResult }>;
  close(): Promise<void>;
}> {
  const made = await provider.createLayer({ checkpoint: layer.native, contract });
  const known = provider.capabilities().taps;
  const { hidden, intermediate, experts, topK, gated } = layer.plan.shape;
  return {
    async run(batch) {
      const decision = binding.decide({
        tokens: batch.tokens,
        topK,
        experts,
        hidden,
        intermediate,
        gated,
        threshold: 0,
        thresholdOrigin: { kind: 'default', where: `contract ${contract}` },
        force: 'reference',
        limits: rules.limits,
        origins: rules.origins,
      });
      const result = await made.run({
        tokens: batch.tokens,
        x: batch.x,
        topkIds: batch.topkIds,
        topkWeights: batch.topkWeights,
        path: decision.path,
        kernel: decision.kernel,
        tileM: decision.tileM,
        tileN: decision.tileN,
        taps: taps.filter((tap) => known.includes(tap)),
        deterministic: true,
        seed: 0,
        ...(cancel && { cancel }),
      });
      return { decision, result };
    },
    async close() {
      made.destroy();
    },
  };
}
