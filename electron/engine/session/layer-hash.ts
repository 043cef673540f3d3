import { createHash } from 'node:crypto';
import type { PreparedLayer } from '../native/binding';

/** SHA-256 (hex) over name, layout, shape and the hash of every expert's row of every registered parameter, in order. */
export async function layerHash(prepared: PreparedLayer): Promise<string> {
  const hash = createHash('sha256');
  for (const tensor of prepared.tensors()) {
    const { name, layout, shape } = tensor.info();
    hash.update(`${name} ${layout} ${shape.join('x')} ${(await tensor.planeHashes()).join(' ')}\n`);
  }
  return hash.digest('hex');
}
