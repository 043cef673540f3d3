// Planting causes in a documented pipeline, and asking the diagnoser what it sees. The diagnoser gets the checkpoint, the batch,
// the documented pipeline and the tensors of the planted run, whose additions were done in an order of its own.
import { pipelines, randomCase } from './layers.mjs';

/** Rows an expert needs before the second half of its 128-row tile exists. */
const manyTokens = 176;
const tap = (names) => (tensors) => Object.fromEntries(names.map((name) => [name, tensors[name]]));
/** What the diagnoser sees. */
export const views = {
  taps: tap(['y', 'x_q', 'x_sf', 'fc1', 'act', 'act_q', 'act_sf', 'fc2']),
  output: tap(['y']),
};

const rows64 = ({ cause, variant }) => cause === 'padding' && variant === 2;

/** Deviations of one cause: at one GEMM, or (one time in three) at both; null where this layer cannot have it. */
function choose(possible, cause, numbers) {
  const mine = possible.filter((deviation) => deviation.cause === cause);
  if (mine.length === 0) return null;
  const chosen = numbers.pick(mine);
  const twin = mine.find(({ site, variant }) => site !== chosen.site && variant === chosen.variant);
  return twin && numbers.below(3) === 0 ? [chosen, twin] : [chosen];
}

const sameBytes = (a, b) => {
  const { bytes } = a.info();
  return Buffer.compare(a.read(0, bytes), b.read(0, bytes)) === 0;
};
const sameRun = (a, b) => Object.keys(a).every((name) => sameBytes(a[name], b[name]));

/**
 * One planted case. Drawn again (`redrawn` counts it) while a cause cannot be had or changes no bit of any tap or of the output
 * beside the others: a fault without an effect cannot be seen by anyone.
 * @param causes ids; none: a clean layer
 */
export async function plantedCase(binding, shape, causes, numbers, attempts = 60) {
  for (let redrawn = 0; redrawn < attempts; redrawn++) {
    const pipeline = numbers.pick(pipelines);
    const tokens = pipeline.mostTokens ?? numbers.pick([16, 32, 64]);
    const wanted = causes.includes('padding') && !pipeline.mostTokens && numbers.below(3) === 0 ? manyTokens : tokens;
    const { checkpoint, batch } = await randomCase(binding, shape, wanted, numbers);
    const { contract, model } = pipeline;
    const request = { ...batch, checkpoint, contract, model };
    const possible = binding.possibleDeviations(request).filter((one) => !rows64(one) || wanted === manyTokens);
    const chosen = causes.map((cause) => choose(possible, cause, numbers));
    if (chosen.includes(null)) continue;
    if (!(await everyCauseShows(binding, request, chosen))) continue;
    const deviations = chosen.flat();
    const order = numbers.seed();
    const { tensors } = await binding.runDeviating({ ...request, deviations, seed: order });
    return { request, deviations, order, tensors, redrawn };
  }
  return null;
}

/** Whether other deviations give what a view of a planted case shows bit for bit, their additions in the same order. */
export async function givesTheSameBits(binding, { request, order, tensors }, view, deviations) {
  const other = await binding.runDeviating({ ...request, deviations, seed: order });
  return sameRun(views[view](tensors), views[view](other.tensors));
}

async function everyCauseShows(binding, request, chosen) {
  const run = async (deviations) => (await binding.runDeviating({ ...request, deviations, seed: 0 })).tensors;
  const whole = await run(chosen.flat());
  for (let i = 0; i < chosen.length; i++) {
    const others = chosen.filter((_, at) => at !== i).flat();
    if (sameRun(whole, await run(others))) return false;
  }
  return true;
}

/** Causes as the diagnoser ranks them, each once: those it names, then those it cannot tell from them. */
export async function diagnosed(binding, { request, tensors }, view, seed) {
  const diagnosis = await binding.diagnose({ ...request, observed: views[view](tensors), seed });
  const named = diagnosis.deviations.map(({ cause }) => cause);
  const alike = diagnosis.deviations.flatMap(({ alternatives }) => alternatives.map(({ cause }) => cause));
  return { named: [...new Set(named)], ranked: [...new Set([...named, ...alike])], diagnosis };
}
