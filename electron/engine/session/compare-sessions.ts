/** Two sessions side by side: provenance, times, and the values of batches that had the same input. */
import { isDeepStrictEqual } from 'node:util';
import type { NativeBinding } from '../native/binding';
import { outputOf } from '../run/rerun-path';
import { isUnavailable } from '../run/source';
import { compareTimes, type KernelTimes } from './compare-times';
import type { ReplaySource } from './replay-source';

export interface ValueComparison {
  /** batches whose inputs are equal, byte by byte */
  equalInputs: number;
  /** those of them whose decision chains are equal, step by step */
  equalDecisions: number;
  /** answers of those on the same path */
  answers: number;
  identical: number;
  /** the answer that differs most */
  worst: { batchA: number; batchB: number; path: string; nrmse: number; maxAbs: number } | null;
  /** the first that differs at all */
  first: { batchA: number; batchB: number; path: string } | null;
}

export interface SessionComparison {
  /** why figures of the two may not be compared as they are; empty when both come from the same place */
  warnings: string[];
  samePlace: boolean;
  sameLayer: boolean;
  times: KernelTimes[];
  values: ValueComparison;
}

function provenanceWarnings(a: ReplaySource, b: ReplaySource): string[] {
  const left = a.environment;
  const right = b.environment;
  const facts: [string, string, string][] = [
    ['provider', `${left.device.provider} ${left.device.version}`, `${right.device.provider} ${right.device.version}`],
    ['device', left.device.name, right.device.name],
    ['driver', left.device.driver, right.device.driver],
    ['timing source', left.device.timingSource, right.device.timingSource],
  ];
  return facts
    .filter(([, x, y]) => x !== y)
    .map(([what, x, y]) => `different ${what}: ${x} against ${y}; times are not comparable as they are`);
}

function layerWarnings(a: ReplaySource, b: ReplaySource): string[] {
  const left = a.environment;
  const right = b.environment;
  const warnings: string[] = [];
  if (left.contract !== right.contract) warnings.push(`different contract: ${left.contract} against ${right.contract}`);
  if (left.rules !== right.rules) warnings.push(`different dispatch rules: ${left.rules} against ${right.rules}`);
  if (left.layerHash !== right.layerHash && left.contract === right.contract)
    warnings.push('different prepared parameters');
  return warnings;
}

/** Reads both sessions; needs the addon only where outputs with different hashes have to be compared. */
export async function compareSessions(
  a: ReplaySource,
  b: ReplaySource,
  binding: () => NativeBinding,
): Promise<SessionComparison> {
  const place = provenanceWarnings(a, b);
  const layer = layerWarnings(a, b);
  return {
    warnings: [...place, ...layer],
    samePlace: place.length === 0,
    sameLayer: layer.length === 0,
    times: compareTimes(a.table, b.table),
    values: await compareValues(a, b, binding),
  };
}

async function compareValues(a: ReplaySource, b: ReplaySource, binding: () => NativeBinding): Promise<ValueComparison> {
  const byInput = new Map<string, number[]>();
  for (let batch = 0; batch < b.table.length; batch++) {
    const { input } = await b.intent(batch);
    byInput.set(input.sha256, [...(byInput.get(input.sha256) ?? []), batch]);
  }
  const result: ValueComparison = {
    equalInputs: 0,
    equalDecisions: 0,
    answers: 0,
    identical: 0,
    worst: null,
    first: null,
  };
  for (let batchA = 0; batchA < a.table.length; batchA++) {
    const batchB = byInput.get((await a.intent(batchA)).input.sha256)?.shift();
    if (batchB === undefined) continue;
    result.equalInputs++;
    if (isDeepStrictEqual(await a.decision(batchA), await b.decision(batchB))) result.equalDecisions++;
    await compareBatch(a, b, batchA, batchB, result, binding);
  }
  return result;
}

async function compareBatch(
  a: ReplaySource,
  b: ReplaySource,
  batchA: number,
  batchB: number,
  result: ValueComparison,
  binding: () => NativeBinding,
): Promise<void> {
  const others = (await b.result(batchB)).answers;
  for (const { side, as, blob } of (await a.result(batchA)).answers) {
    const other = others.find((answer) => answer.side === side && answer.as === as);
    if (!other) continue;
    result.answers++;
    if (blob.sha256 === other.blob.sha256) {
      result.identical++;
      continue;
    }
    const left = await a.answer(batchA, side, as);
    const right = await b.answer(batchB, side, as);
    if (isUnavailable(left) || isUnavailable(right)) continue;
    const { nrmse, maxAbs } = await binding().compare(outputOf(right.tensors), outputOf(left.tensors), {
      rtol: 0,
      atol: 0,
      worst: 0,
    });
    // Blobs may differ in their taps alone.
    if (maxAbs === 0) {
      result.identical++;
      continue;
    }
    const path = side === 'reference' ? `reference as ${as}` : side;
    result.first ??= { batchA, batchB, path };
    if (!result.worst || nrmse > result.worst.nrmse) result.worst = { batchA, batchB, path, nrmse, maxAbs };
  }
}
