/** What loading refuses: scalars of the wrong form (H4), bad values, layers that cannot be read. Looked at before a layer is loaded. */

import type { AppError } from '../../contract/errors';
import type { Finding } from '../../contract/hazards';
import type { Checkpoint } from '../checkpoint/checkpoint';
import type { LayerPlan, ProjectionPlan } from '../checkpoint/layer-plan';
import { scaleFits } from '../layer/scales';
import type { NativeBinding } from '../native/binding';
import { type Found, findingOf } from './hazard';

export const reciprocal = {
  id: 'H4-reciprocal-scale',
  title: 'a global scale is the reciprocal of what its name says',
  reference: 'vLLM #43687, FlashInfer #3407 (conventions of ModelOpt and compressed-tensors)',
  looksAt: 'whether each scalar lies on the side of 1 that its name means: amax / 2688 below, 2688 / amax above',
};
export const badScale = {
  id: 'bad-scale',
  title: 'a scale is NaN, infinite, zero or negative',
  reference: 'vLLM #37462',
  looksAt: 'every scalar, and every block scale byte when the layer is loaded',
};
export const unreadable = {
  id: 'unreadable-layer',
  title: 'the layer cannot be loaded',
  reference: 'the checkpoint formats of ModelOpt and compressed-tensors',
  looksAt: 'names, dtypes and shapes of all experts',
};

interface Scalar {
  tensor: string;
  projection: 'gate' | 'up' | 'down';
  expert: number;
  what: 'weight' | 'input';
  value: number;
}

async function scalarsOf(checkpoint: Checkpoint, plan: LayerPlan, binding: NativeBinding): Promise<Scalar[]> {
  const found: Scalar[] = [];
  const read = async (projection: Scalar['projection'], { s2, input }: ProjectionPlan) => {
    const prefix = projection === 'down' ? 'w2' : 'w13';
    for (const [what, tensors] of [
      ['weight', s2],
      ['input', input ?? []],
    ] as const) {
      for (const [expert, { file, begin }] of tensors.entries()) {
        const bytes = (await checkpoint.file(file, binding)).read(begin, 4);
        const value = new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true);
        const tensor = `checkpoint/${prefix}_${what === 'weight' ? 'weight_scale_2' : 'input_scale'}`;
        found.push({ tensor, projection, expert, what, value });
      }
    }
  };
  if (plan.gate) await read('gate', plan.gate);
  await read('up', plan.up);
  await read('down', plan.down);
  return found;
}

/** H4 and bad scalars of a layer; one finding for each tensor and projection concerned. Empty: the scalars can be loaded. */
export async function refusedScalars(
  checkpoint: Checkpoint,
  plan: LayerPlan,
  binding: NativeBinding,
): Promise<Finding[]> {
  const groups = new Map<string, { hazard: typeof badScale; scalars: Scalar[] }>();
  for (const scalar of await scalarsOf(checkpoint, plan, binding)) {
    const { value, what } = scalar;
    const good = Number.isFinite(value) && value > 0;
    if (good && scaleFits(value, what, plan.convention)) continue;
    const hazard = good ? reciprocal : badScale;
    const key = `${hazard.id} ${scalar.tensor} ${scalar.projection}`;
    const group = groups.get(key) ?? { hazard, scalars: [] };
    group.scalars.push(scalar);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ hazard, scalars }) =>
    findingOf(hazard, plan.index, (hazard === reciprocal ? reciprocalFound : badFound)(scalars, plan.convention)),
  );
}

const place = (scalars: Scalar[]) => ({
  severity: 'error' as const,
  tensor: scalars[0]!.tensor,
  projection: scalars[0]!.projection,
  experts: scalars.map(({ expert }) => expert),
});

function reciprocalFound(scalars: Scalar[], convention: 'small' | 'large'): Found {
  // In the small form, as every number here is, so that both exporters' files give the same numbers.
  const small = scalars.map(({ value }) => (convention === 'small' ? value : Math.fround(1 / value)));
  return {
    ...place(scalars),
    measured: { scalars: scalars.length, smallFormMin: Math.min(...small), smallFormMax: Math.max(...small) },
    explanation:
      'By its name the scalar, in the form amax / 2688, is far above any amax that weights or activations have: the exporter stored the reciprocal. Every output of these experts would be off by the square of the scale.',
    remedy: 'Convert the scalar to the form of its name, or export again.',
  };
}

function badFound(scalars: Scalar[]): Found {
  return {
    ...place(scalars),
    measured: { scalars: scalars.length, found: String(scalars[0]!.value) },
    explanation:
      'A global scale must be a finite number above 0: anything else makes every output of the expert zero, infinite or NaN. Loading refuses it.',
    remedy: 'Calibrate and export the checkpoint again.',
  };
}

/** The error that kept a layer from being loaded, as a finding. */
export function refusedLayer(layer: number, error: AppError): Finding {
  const bad = error.code === 'bad-scale';
  return findingOf(bad ? badScale : unreadable, layer, {
    severity: 'error',
    tensor: null,
    measured: {
      code: error.code,
      ...(error.subject !== undefined && { subject: error.subject }),
      ...(error.expected !== undefined && { expected: error.expected }),
      ...(error.found !== undefined && { found: error.found }),
    },
    explanation: error.message,
    remedy: error.remedy ?? 'Export or download the checkpoint again.',
  });
}
