/** Hazards of a checkpoint folder, for tests. */
import type { Finding, HazardReport } from '../../../electron/contract/hazards';
import type { Contract } from '../../../electron/contract/layer';
import { Checkpoint } from '../../../electron/engine/checkpoint/checkpoint';
import { loadRules } from '../../../electron/engine/dispatch/rules';
import { checkpointHazards } from '../../../electron/engine/hazards/report';
import type { Merge } from '../../../electron/engine/layer/load-layer';
import { loadBinding } from '../../../electron/engine/native/load';

export async function look(
  folder: string,
  contract: Contract = 'unit-alpha',
  merge: Merge = 'max',
): Promise<HazardReport> {
  const checkpoint = await Checkpoint.open(folder);
  try {
    const { limits } = loadRules(undefined, {});
    return await checkpointHazards(loadBinding(), checkpoint, { contract, merge, rules: { id: limits.id, limits } });
  } finally {
    await checkpoint.close();
  }
}

/** "severity id projection", in the report's order. */
export const named = ({ findings }: HazardReport): string[] =>
  findings.map(({ severity, id, projection }) => [severity, id, projection].filter(Boolean).join(' '));

export function only({ findings }: HazardReport, id: string, projection: Finding['projection'] = null): Finding {
  const found = findings.filter((finding) => finding.id === id && finding.projection === projection);
  if (found.length !== 1) throw new Error(`${found.length} findings ${id} ${projection ?? ''}`);
  return found[0]!;
}

/** E4M3 written anew for these tests: value of a byte, and the nearest byte (ties to even) by search. */
export const e4m3 = (byte: number): number => {
  const exponent = (byte >> 3) & 15;
  const mantissa = byte & 7;
  return exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10);
};
const grid = Array.from({ length: 127 }, (_, byte) => e4m3(byte));
export function nearestE4m3(value: number): number {
  let best = 0;
  for (let byte = 1; byte < grid.length; byte++) {
    const closer = Math.abs(grid[byte]! - value) - Math.abs(grid[best]! - value);
    if (closer < 0 || (closer === 0 && byte % 2 === 0)) best = byte;
  }
  return best;
}
