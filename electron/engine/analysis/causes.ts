/**
 * How much of the difference between the two paths each published step makes: counterfactuals. The layer is prepared
 * under `clean` (nothing re-rounded, nothing set to one), then ONE step of the contract is put back in, and the b12x
 * answer is compared with the CUTLASS answer, whose scales no contract changes. The floor is the same pair with
 * nothing put back: what rounding between the stages does by itself.
 */
import type { Cause } from '../../contract/batch';
import { AppError } from '../../contract/errors';
import type { Contract, Decision } from '../../contract/layer';
import type { BatchTensors } from '../layer/wrapper';
import type {
  CancelFlag,
  CheckpointLayer,
  NativeBinding,
  NativeTensor,
  Provider,
  ProviderLayer,
} from '../native/binding';

export type LeaveIn = 'baked-block-scales' | 'unit-activation-scale';

export interface CausesOptions {
  binding: NativeBinding;
  provider: Provider;
  checkpoint: CheckpointLayer;
  /** the contract whose difference is explained */
  contract: Contract;
  /** the dispatch decision for a forced path: gives kernel and tiles */
  decide: (tokens: number, force: 'b12x' | 'cutlass') => Decision;
}

interface Step {
  id: LeaveIn;
  name: string;
  explanation: string;
  reference: string;
  contracts: readonly Contract[];
}

const steps: readonly Step[] = [
  {
    id: 'baked-block-scales',
    name: 'Block scales re-rounded to E4M3',
    explanation:
      'weight_scale_2 is multiplied into the E4M3 block scales, which rounds them a second time and may underflow; exact only for powers of two in range.',
    reference: 'vLLM #43687 (b12x rewrite); FlashInfer #3933, sglang #32119 (measured damage)',
    contracts: ['unit-alpha', 'activation-alpha'],
  },
  {
    id: 'unit-activation-scale',
    name: 'Activations quantized with global scale 1',
    explanation:
      'The inputs of FC1 and FC2 are quantized with global scale 1 instead of the calibrated input scale, so small activations fall into subnormal block scales.',
    reference: 'vLLM #43687 as first published (a2_gscale := 1, alpha 1)',
    contracts: ['unit-alpha'],
  },
];

/** The published steps that `contract` takes, in the order of the published code. */
export function stepsOf(contract: Contract): LeaveIn[] {
  return steps.filter((step) => step.contracts.includes(contract)).map((step) => step.id);
}

/** Layers for the counterfactuals, made on first use and kept: FP4 bytes are shared, each costs one set of block scales. */
export class CausesContext {
  readonly options: CausesOptions;
  private readonly layers = new Map<string, Promise<ProviderLayer>>();
  private disposed = false;

  constructor(options: CausesOptions) {
    this.options = options;
  }

  /** The layer under `clean` with `leaveIn` put back. Both paths are prepared (threshold 1). */
  layer(leaveIn: readonly LeaveIn[]): Promise<ProviderLayer> {
    if (this.disposed)
      return Promise.reject(
        new AppError({ code: 'wrong-state', message: 'The layer of this comparison was unloaded.' }),
      );
    const key = leaveIn.join('+');
    let layer = this.layers.get(key);
    if (!layer) {
      layer = this.create(leaveIn);
      this.layers.set(key, layer);
      layer.catch(() => this.layers.delete(key));
    }
    return layer;
  }

  private async create(leaveIn: readonly LeaveIn[]): Promise<ProviderLayer> {
    const { binding, provider, checkpoint } = this.options;
    const prepared = await binding.prepareLayer(checkpoint, {
      contract: 'clean',
      threshold: 1,
      ...(leaveIn.length > 0 && { leaveIn: [...leaveIn] }),
    });
    return provider.createLayer({ checkpoint, prepared, contract: 'clean' });
  }

  async dispose(): Promise<void> {
    this.disposed = true;
    const layers = [...this.layers.values()];
    this.layers.clear();
    for (const pending of layers) {
      const layer = await pending.catch(() => null);
      layer?.destroy();
    }
  }
}

async function output(
  context: CausesContext,
  layer: ProviderLayer,
  batch: BatchTensors,
  path: 'b12x' | 'cutlass',
  cancel?: CancelFlag,
): Promise<NativeTensor> {
  const { kernel, tileM, tileN } = context.options.decide(batch.tokens, path);
  const result = await layer.run({
    ...batch,
    path,
    kernel,
    tileM,
    tileN,
    taps: [],
    deterministic: true,
    seed: 0,
    ...(cancel && { cancel }),
  });
  const y = result.tensors.y;
  if (!y)
    throw new AppError({
      code: 'internal',
      message: `Provider ${context.options.provider.name} returned no output "y" for ${path}.`,
    });
  return y;
}

async function pairNrmse(
  context: CausesContext,
  leaveIn: readonly LeaveIn[],
  batch: BatchTensors,
  cutlass: NativeTensor,
  cancel?: CancelFlag,
): Promise<number> {
  const b12x = await output(context, await context.layer(leaveIn), batch, 'b12x', cancel);
  const { nrmse } = await context.options.binding.compare(b12x, cutlass, { rtol: 0, atol: 0, worst: 0 });
  return nrmse;
}

/**
 * NRMSE between b12x and CUTLASS under `clean` on this batch: what rounding between the stages does when both paths
 * have the same scales. Throws `unsupported` where the layer has no activation scales (W4A16: no CUTLASS path).
 */
export async function measureFloor(context: CausesContext, batch: BatchTensors, cancel?: CancelFlag): Promise<number> {
  const clean = await context.layer([]);
  return pairNrmse(context, [], batch, await output(context, clean, batch, 'cutlass', cancel), cancel);
}

/**
 * Each cause of the b12x / CUTLASS difference under the context's contract, with the NRMSE of the pair when ONLY that
 * step of the contract is taken; the last one, `rounding`, is the floor. Largest first, the floor last.
 */
export async function measureCauses(
  context: CausesContext,
  batch: BatchTensors,
  cancel?: CancelFlag,
): Promise<{ causes: Cause[]; floor: number }> {
  const clean = await context.layer([]);
  const cutlass = await output(context, clean, batch, 'cutlass', cancel);
  const floor = await pairNrmse(context, [], batch, cutlass, cancel);
  const causes: Cause[] = [];
  for (const step of steps) {
    if (!step.contracts.includes(context.options.contract)) continue;
    const nrmse = await pairNrmse(context, [step.id], batch, cutlass, cancel);
    causes.push({ id: step.id, name: step.name, nrmse, explanation: step.explanation, reference: step.reference });
  }
  causes.sort((a, b) => b.nrmse - a.nrmse);
  causes.push({
    id: 'rounding',
    name: 'Rounding between the stages',
    nrmse: floor,
    explanation:
      'The two kernel families round to bf16 at other places and add in another order; values near a tie then take another FP4 code. Measured as the same pair under the contract `clean`.',
    reference: 'FlashInfer #3407 numerics; moe_static_kernel.py against cutlass_fused_moe_kernels.cuh',
  });
  return { causes, floor };
}
