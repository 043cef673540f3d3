/**
 * Item 5: expert load balancing moves whole rows of every registered parameter. After a random permutation the output for
 * permuted routing must not change by a bit; a parameter that stays behind must show.
 */

import type { BatchTensors } from '../layer/wrapper';
import { Wrapper } from '../layer/wrapper';
import type { NativeTensor, PreparedLayer } from '../native/binding';
import type { VerifyContext, VerifyItem } from './verify';
import { outputBits, sameBytes } from './verify-batches';

type Finding = Pick<VerifyItem, 'status' | 'reason' | 'measured' | 'causes'>;
type RunPath = 'b12x' | 'cutlass';

interface LeftOut {
  parameter: string;
  /** what gives it away when it alone keeps its rows; `uniform`: all rows are equal, so leaving it out changes nothing */
  detectedBy: 'output' | 'rows' | 'uniform' | 'nothing';
  /** paths whose output changed */
  paths: RunPath[];
}

/** @throws AppError of the provider; `unsupported` where the contract cannot be prepared. */
export async function verifyEplb(context: VerifyContext): Promise<Finding> {
  const { layer, threshold, provider, binding } = context;
  const both =
    layer.plan.quantization === 'nvfp4' && provider.capabilities().cutlassPrefillThreshold && threshold.tokens > 0;
  const paths: RunPath[] = both ? ['b12x', 'cutlass'] : ['b12x'];
  const { experts, topK } = layer.plan.shape;
  const permutation = randomPermutation(experts, context.seed);
  const prepared = await binding.prepareLayer(layer.native, {
    contract: context.contract,
    threshold: both ? threshold.tokens : 0,
  });
  // Enough routed pairs for every expert to be met: about four each.
  const batch = await context.batch(Math.min(256, Math.max(16, Math.ceil((4 * experts) / topK))));
  const moved = permuteRouting(batch, permutation);
  const expected = await outputs(context, prepared, batch, paths);
  const hashes = await parameterHashes(prepared.tensors());

  const rearranged = await prepared.rearrange(permutation);
  const faults = await lockstepFaults(hashes, rearranged, permutation);
  const actual = await outputs(context, rearranged, moved, paths);
  for (const path of paths) {
    if (!sameBytes(expected.get(path)!, actual.get(path)!))
      faults.push(`The ${path} output of the rearranged layer differs.`);
  }
  const leftOut: LeftOut[] = [];
  for (const [parameter, rows] of hashes) {
    context.onProgress?.(`item 5, leaving out ${parameter}`, leftOut.length, hashes.size);
    leftOut.push(await leaveOut(context, { prepared, permutation, parameter, rows, moved, expected, paths, hashes }));
  }
  const missed = leftOut.filter(({ detectedBy }) => detectedBy === 'nothing').map(({ parameter }) => parameter);
  if (missed.length > 0) faults.push(`Leaving out ${missed.join(', ')} was not noticed.`);
  const measured = {
    permutation: [...permutation],
    tokens: batch.tokens,
    paths,
    bitIdentical: paths.every((path) => sameBytes(expected.get(path)!, actual.get(path)!)),
    parameters: hashes.size,
    leftOut,
  };
  const uniform = leftOut.filter(({ detectedBy }) => detectedBy === 'uniform').length;
  const shown = `${hashes.size} parameters moved together, output bit-identical on ${paths.join(' and ')}; each one left behind is noticed${uniform > 0 ? ` (${uniform} are the same for all experts)` : ''}.`;
  return faults.length === 0
    ? { status: 'pass', reason: shown, measured }
    : { status: 'fail', reason: faults.join(' '), measured };
}

interface LeaveOutParts {
  prepared: PreparedLayer;
  permutation: Int32Array;
  parameter: string;
  rows: readonly string[];
  moved: BatchTensors;
  expected: Map<RunPath, Uint8Array>;
  paths: readonly RunPath[];
  hashes: ReadonlyMap<string, readonly string[]>;
}

async function leaveOut(context: VerifyContext, parts: LeaveOutParts): Promise<LeftOut> {
  const { prepared, permutation, parameter, rows, moved, expected, paths, hashes } = parts;
  if (rows.every((hash) => hash === rows[0])) return { parameter, detectedBy: 'uniform', paths: [] };
  const broken = await prepared.rearrange(permutation, [parameter]);
  const actual = await outputs(context, broken, moved, paths);
  const changed = paths.filter((path) => !sameBytes(expected.get(path)!, actual.get(path)!));
  if (changed.length > 0) return { parameter, detectedBy: 'output', paths: changed };
  const noticed = (await lockstepFaults(hashes, broken, permutation)).length > 0;
  return { parameter, detectedBy: noticed ? 'rows' : 'nothing', paths: [] };
}

async function outputs(
  context: VerifyContext,
  prepared: PreparedLayer,
  batch: BatchTensors,
  paths: readonly RunPath[],
): Promise<Map<RunPath, Uint8Array>> {
  const { threshold } = context;
  const wrapper = new Wrapper({ ...context, prepared, threshold: { ...threshold, tokens: prepared.threshold } });
  try {
    const found = new Map<RunPath, Uint8Array>();
    for (const path of paths) {
      const { result } = await wrapper.run(batch, { force: path, ...(context.cancel && { cancel: context.cancel }) });
      found.set(path, outputBits(result));
    }
    return found;
  } finally {
    await wrapper.destroy();
  }
}

async function parameterHashes(tensors: readonly NativeTensor[]): Promise<Map<string, string[]>> {
  const hashes = new Map<string, string[]>();
  for (const tensor of tensors) hashes.set(tensor.info().name, await tensor.planeHashes());
  return hashes;
}

/** Row p of every parameter must be the old row permutation[p]. */
async function lockstepFaults(
  before: ReadonlyMap<string, readonly string[]>,
  layer: PreparedLayer,
  permutation: Int32Array,
): Promise<string[]> {
  const faults: string[] = [];
  for (const [name, hashes] of await parameterHashes(layer.tensors())) {
    const old = before.get(name);
    if (!old || hashes.some((hash, p) => hash !== old[permutation[p]!]))
      faults.push(`Parameter ${name} was not moved with the others.`);
  }
  return faults;
}

/** Expert e now lies at the place p with permutation[p] = e. */
function permuteRouting(batch: BatchTensors, permutation: Int32Array): BatchTensors {
  const place = new Int32Array(permutation.length);
  permutation.forEach((old, p) => {
    place[old] = p;
  });
  return { ...batch, topkIds: batch.topkIds.map((id) => place[id]!) };
}

/** Sattolo's shuffle with a small generator (mulberry32): one cycle through all places, so that every expert moves. */
function randomPermutation(count: number, seed: number): Int32Array {
  let state = seed >>> 0;
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const permutation = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * i);
    const held = permutation[i]!;
    permutation[i] = permutation[j]!;
    permutation[j] = held;
  }
  return permutation;
}
