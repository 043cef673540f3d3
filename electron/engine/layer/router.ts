/** The router of a layer, as the workload generator takes it. */
import { AppError } from '../../contract/errors';
import type { Checkpoint } from '../checkpoint/checkpoint';
import type { NativeBinding } from '../native/binding';
import type { Router } from '../workload/generate';

/**
 * Shape and routing of layer `index`, with the e_score_correction_bias F32 [E] of routers that have one.
 * @throws AppError as `Checkpoint.plan`; `wrong-dtype`, `wrong-shape` for a bias that does not fit.
 */
export async function readRouter(checkpoint: Checkpoint, index: number, binding: NativeBinding): Promise<Router> {
  const { shape } = checkpoint.plan(index);
  const name = checkpoint.layers.find((layer) => layer.entry.index === index)?.correctionBias ?? null;
  const routing = { ...checkpoint.summary.routing, correctionBias: name !== null };
  return {
    shape,
    routing,
    correctionBias: name === null ? null : await readBias(checkpoint, name, shape.experts, binding),
  };
}

async function readBias(
  checkpoint: Checkpoint,
  name: string,
  experts: number,
  binding: NativeBinding,
): Promise<Float32Array> {
  const { tensor, bytes } = await checkpoint.read(name, binding);
  const { dtype, shape } = tensor;
  if (dtype !== 'F32' && dtype !== 'BF16') {
    throw new AppError({
      code: 'wrong-dtype',
      message: `Tensor ${name} has the wrong dtype.`,
      subject: name,
      expected: 'F32 or BF16',
      found: dtype,
    });
  }
  if (shape.length !== 1 || shape[0] !== experts) {
    throw new AppError({
      code: 'wrong-shape',
      message: `Tensor ${name} has the wrong shape.`,
      subject: name,
      expected: `[${experts}]`,
      found: `[${shape.join(', ')}]`,
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (dtype === 'F32') return Float32Array.from({ length: experts }, (_, i) => view.getFloat32(i * 4, true));
  const bits = new DataView(new ArrayBuffer(4));
  return Float32Array.from({ length: experts }, (_, i) => {
    bits.setUint16(0, view.getUint16(i * 2, true));
    return bits.getFloat32(0);
  });
}
