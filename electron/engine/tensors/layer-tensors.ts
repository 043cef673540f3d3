import type { NativeTensor } from '../native/binding';
import type { SourceTensor } from '../run/source';

/** A parameter or view of a layer, with its role and one line on what it is, by its published name. */
export function layerTensor(set: SourceTensor['set'], tensor: NativeTensor): SourceTensor {
  const { name, layout, dtype } = tensor.info();
  const role = layout === 'fp4' ? 'weight' : dtype === 'F8_E4M3' ? 'block-scale' : 'multiplier';
  return { set, name, role, note: noteOf(set, name), tensor };
}

function noteOf(set: SourceTensor['set'], name: string): string {
  if (set === 'checkpoint') return 'as the checkpoint has it, gate and up merged to rows [up, gate]';
  if (name.endsWith('_sf_mma')) return 'strided 6D view of the b12x block scales, no copy';
  if (name.endsWith('_weight')) return 'packed FP4, shared by both paths';
  if (set === 'cutlass') return 'cloned before the b12x rewrite and registered for EPLB';
  if (name.endsWith('_weight_scale')) return 'block scales after the b12x rewrite';
  return 'live multiplier of the b12x path';
}

/** Set of a registered parameter: the six of the CUTLASS path have it in their names. */
export function setOfParameter(name: string): 'b12x' | 'cutlass' {
  return name.includes('_cutlass_') ? 'cutlass' : 'b12x';
}
