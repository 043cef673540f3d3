/** H5 and H6: parameters of a prepared layer against what the contract makes of the checkpoint's. */
import type { NativeTensor } from '../native/binding';
import { e4m3Of } from './census';
import type { LayerFacts } from './facts';
import { expertsAbove, type Found, type Hazard } from './hazard';

const nothingPrepared = ({ prepared }: LayerFacts) =>
  prepared ? null : 'no parameters are prepared: load the layer in the window or record it, which checks them';

function find(facts: LayerFacts, set: 'checkpoint' | 'b12x' | 'cutlass', name: string): NativeTensor | null {
  return facts.prepared?.find((entry) => entry.set === set && entry.name === name)?.tensor ?? null;
}

const close = (a: number, b: number) => Math.abs(a / b - 1) < 1e-3;

interface Multiplier {
  set: 'b12x' | 'cutlass';
  name: string;
  tensor: 'w13' | 'w2';
  /** the contract's value for an expert (native/core/contract/contract.h) */
  expected(s2: number, a: number): number;
}

/** A multiplication too many: what it is called and what it makes of the expected value. */
const doubled = [
  { factor: (_s2: number, a: number) => a, what: 'the input scale was multiplied in twice' },
  { factor: (s2: number) => s2, what: 'weight_scale_2 was multiplied in twice' },
] as const;

const multipliers = (contract: LayerFacts['contract']): Multiplier[] => [
  {
    set: 'b12x',
    name: 'w13_weight_scale_2',
    tensor: 'w13',
    expected: (s2, a) => (contract === 'clean' ? s2 : contract === 'unit-alpha' ? 1 : a),
  },
  {
    set: 'b12x',
    name: 'w2_weight_scale_2',
    tensor: 'w2',
    expected: (s2, a) => (contract === 'clean' ? s2 * a : contract === 'unit-alpha' ? 1 : a),
  },
  { set: 'cutlass', name: 'w13_cutlass_g_alphas', tensor: 'w13', expected: (s2, a) => s2 * a },
  { set: 'cutlass', name: 'w2_cutlass_g_alphas', tensor: 'w2', expected: (s2, a) => s2 * a },
];

export const doubleMultiplication: Hazard = {
  id: 'H5-double-multiplication',
  title: 'a multiplier holds a scale twice',
  reference: 'vLLM FlashInferExperts (weight_scale_2 *= input_scale in place), vLLM #43687',
  looksAt: 'b12x alphas and CUTLASS g_alphas of every expert against the product that the contract makes',
  notChecked: nothingPrepared,
  find(facts) {
    return multipliers(facts.contract).flatMap(({ set, name, tensor, expected }): Found[] => {
      const found = find(facts, set, name);
      const projection = facts.projections.find((one) => one.tensor === tensor);
      if (!found || !projection) return [];
      const a = (tensor === 'w13' ? facts.a1 : facts.a2) ?? 1;
      const values = Array.from(projection.s2, (s2, expert) => {
        const value = found.pick(expert, 0, 0).value;
        const want = expected(s2, a);
        const which = doubled.findIndex(({ factor }) => factor(s2, a) !== 1 && close(value, want * factor(s2, a)));
        return { value, want, which: close(value, want) ? -1 : which };
      });
      const first = values.find(({ which }) => which >= 0);
      if (!first) return [];
      return [
        {
          severity: 'error',
          tensor: `${set}/${name}`,
          experts: expertsAbove(
            values.map(({ which }) => (which >= 0 ? 1 : 0)),
            1,
          ),
          measured: { found: first.value, expected: first.want, ratio: first.value / first.want },
          explanation: `${name} is not what ${facts.contract} makes of the checkpoint: ${doubled[first.which]!.what}. vLLM's experts multiply weight_scale_2 in place, and whatever reads it later sees the product.`,
          remedy:
            'Build the CUTLASS lists before the live parameters are rewritten, from clones of the checkpoint scales.',
        },
      ];
    });
  },
};

/** Positions looked at; a swap shows in nearly each of them. */
const samples = 2048;
/** Real scales repeat by chance, so a swapped order must fit nearly everywhere, and the right one clearly not. */
const fits = 0.99;

function swapIn(facts: LayerFacts, set: 'b12x' | 'cutlass', name: string): Found[] {
  const base = find(facts, 'checkpoint', 'w13_weight_scale');
  const tensor = find(facts, set, name);
  const up = facts.projections.find((one) => one.name === 'up');
  if (!base || !tensor || !up) return [];
  const { intermediate, hidden, experts } = facts.shape;
  const e4m3 = e4m3Of(facts.binding);
  const bakes = set === 'b12x' && facts.contract !== 'clean';
  const rows = 2 * intermediate;
  const columns = hidden / 16;
  let asIs = 0;
  let swapped = 0;
  for (let i = 0; i < samples; i++) {
    // Weyl steps through the elements: spread evenly, the same every time.
    const at = Math.floor(((i * 0.6180339887498949) % 1) * experts * rows * columns);
    const column = at % columns;
    const row = Math.floor(at / columns) % rows;
    const expert = Math.floor(at / (columns * rows));
    const made = (from: number) => {
      const { bits } = base.pick(expert, from, column);
      return bakes ? e4m3.encode(Math.fround(e4m3.value[bits]! * up.s2[expert]!)) : bits;
    };
    const { bits } = tensor.pick(expert, row, column);
    if (made(row) === bits) asIs++;
    if (made((row + intermediate) % rows) === bits) swapped++;
  }
  if (asIs / samples >= fits || swapped / samples < fits) return [];
  return [
    {
      severity: 'error',
      tensor: `${set}/${name}`,
      measured: { fitsAsIs: asIs / samples, fitsSwapped: swapped / samples, samples },
      explanation: `The rows of ${name} are [gate, up] where the checkpoint's, ordered for these kernels, are [up, gate]: the scales of one half are applied to the weights of the other. Output stays fluent and is wrong.`,
      remedy: 'Reorder weights and scales together from [gate, up] to [up, gate] (vLLM reorder_w1w3_to_w3w1), once.',
    },
  ];
}

export const gateUpOrder: Hazard = {
  id: 'H6-gate-up-order',
  title: 'gate and up are in the wrong order',
  reference: 'vLLM #40082, sglang #32430, local-inference-lab/vllm #20, FlashInfer #5291',
  looksAt:
    'scale rows of both paths against the checkpoint with its halves as they are and swapped; that gate and up are named right cannot be told from bytes',
  notChecked: (facts) =>
    !facts.shape.gated
      ? 'the layer has no gate'
      : facts.prepared
        ? null
        : 'gate and up have equal shapes and like statistics: their order cannot be told from a checkpoint alone; prepared parameters are checked when a layer is loaded or recorded',
  find: (facts) => [
    ...swapIn(facts, 'b12x', 'w13_weight_scale'),
    ...swapIn(facts, 'cutlass', 'w13_cutlass_weight_scale'),
  ],
};
