/** The fp32 scalars of a layer: weight_scale_2 and input_scale, in either form, checked by the convention of their names. */
import { AppError } from '../../contract/errors';
import type { Checkpoint } from '../checkpoint/checkpoint';
import type { LayerPlan, ProjectionPlan } from '../checkpoint/layer-plan';
import type { CatalogTensor } from '../checkpoint/safetensors/catalog';
import type { MappedFile, NativeBinding } from '../native/binding';

/**
 * Beyond these a scalar contradicts its name. weight_scale_2 = amax / 2688 and its reciprocal: a weight of 2688 is not a
 * weight. Activations may be larger by far, so their limit is wider.
 */
const limits = { weight: 1, input: 16 };

/** Whether a scalar, finite and above 0, is of the size that its form has. */
export function scaleFits(value: number, what: 'weight' | 'input', convention: 'small' | 'large'): boolean {
  return convention === 'small' ? value < limits[what] : value > 1 / limits[what];
}

/** One fp32 scalar, checked: finite, above 0, and of the size that its form has. */
export function readScale(
  tensor: CatalogTensor,
  file: MappedFile,
  what: 'weight' | 'input',
  convention: 'small' | 'large',
): number {
  const bytes = file.read(tensor.begin, 4);
  const value = new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true);
  if (!Number.isFinite(value) || value <= 0) {
    throw new AppError({
      code: 'bad-scale',
      message: `Scale ${tensor.name} is not a finite number above 0.`,
      subject: tensor.name,
      expected: 'a finite number above 0',
      found: String(value),
      remedy: 'Calibrate and export the checkpoint again.',
    });
  }
  const limit = limits[what];
  if (scaleFits(value, what, convention)) return value;
  throw new AppError({
    code: 'bad-scale',
    message: `Scale ${tensor.name} contradicts its name: it looks like the ${convention === 'small' ? 'large form (2688 / amax)' : 'small form (amax / 2688)'}.`,
    subject: tensor.name,
    expected: convention === 'small' ? `the small form, below ${limit}` : `the large form, above ${1 / limit}`,
    found: String(value),
    remedy: 'The exporter stored the reciprocal; convert the scale or export again.',
  });
}

export interface Range {
  min: number;
  max: number;
}
export interface ScaleRanges {
  /** weight_scale_2 over every projection, small form */
  s2: Range;
  /** input_scale of FC1 (gate and up) and FC2, small form; null for weight-only layers */
  input1: Range | null;
  input2: Range | null;
}

/** Reads every scalar of a layer, nothing else. @throws AppError `bad-scale` naming the first bad one. */
export async function readScaleRanges(
  checkpoint: Checkpoint,
  plan: LayerPlan,
  binding: NativeBinding,
): Promise<ScaleRanges> {
  const small = (value: number) => (plan.convention === 'small' ? value : Math.fround(1 / value));
  const range = async (tensors: readonly CatalogTensor[], what: 'weight' | 'input'): Promise<Range> => {
    const found = { min: Number.POSITIVE_INFINITY, max: 0 };
    for (const tensor of tensors) {
      const value = small(readScale(tensor, await checkpoint.file(tensor.file, binding), what, plan.convention));
      found.min = Math.min(found.min, value);
      found.max = Math.max(found.max, value);
    }
    return found;
  };
  const fc1 = [plan.gate, plan.up].filter((projection): projection is ProjectionPlan => projection !== null);
  const weightsOnly = plan.quantization === 'w4a16';
  return {
    s2: await range(
      [...fc1, plan.down].flatMap((projection) => projection.s2),
      'weight',
    ),
    input1: weightsOnly
      ? null
      : await range(
          fc1.flatMap((projection) => projection.input ?? []),
          'input',
        ),
    input2: weightsOnly ? null : await range(plan.down.input ?? [], 'input'),
  };
}
