/** One output element on both sides, and the first place of every step where they part. */
import type { Side } from '../../contract/batch';
import type { DotHistory, ElementHistory, Parting, SideHistory, SlotHistory } from '../../contract/element';
import type { Kernel, Path } from '../../contract/layer';
import type { CancelFlag } from '../native/binding';
import type { HistoryPlace, NativeHistory } from '../native/history-binding';
import { isUnavailable, type Source } from '../run/source';
import { pathOf, ranPath } from './diff';

export interface HistoryRequest extends HistoryPlace {
  batch: number;
  a: Side;
  b: Side;
}

/** What a provider found, with the kernel and the tiles that wrote it. */
export function sideHistory(
  side: Side,
  run: { path: Path; kernel: Kernel; tileM: number; tileN: number; found: NativeHistory },
): SideHistory {
  const { path, kernel, tileM, tileN, found } = run;
  const { y, reduction, additions, fc1, column } = found;
  const slots = found.slots.map((slot) => ({
    ...slot,
    tile: tileM > 0 && tileN > 0 ? { m: Math.floor(slot.rowInExpert / tileM), n: Math.floor(column / tileN) } : null,
  }));
  return { side, path, kernel, tileM, tileN, y, reduction, slots, additions, fc1 };
}

/**
 * Runs the token on both sides. A side that shows no history (a provider that is not built in, a recording whose layer is not at
 * hand) gives its reason. Throws `out-of-bounds` for a token, column, slot or element outside the batch.
 */
export async function elementHistory(
  source: Source,
  { batch, a, b, ...place }: HistoryRequest,
  cancel?: CancelFlag,
): Promise<ElementHistory> {
  const ran = ranPath(source, batch);
  const first = await source.elementHistory(batch, a, pathOf(a, b, ran), place, cancel);
  const second = await source.elementHistory(batch, b, pathOf(b, a, ran), place, cancel);
  const both = !isUnavailable(first) && !isUnavailable(second);
  const { token, column } = place;
  return { batch, token, column, a: first, b: second, partings: both ? partingsOf(first, second) : [] };
}

/**
 * Values that stand for the same number are equal within 2^-20: global scales are fp32 products and quotients, so the
 * same number comes out with a few units of 2^-24 of difference when two contracts write it in two ways.
 */
export function differ(a: number, b: number): boolean {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) !== Number.isNaN(b);
  return Math.abs(a - b) > 2 ** -20 * Math.max(Math.abs(a), Math.abs(b));
}

type Found = Parting | null;

/** At most one place a step, in the order of the pipeline. */
export function partingsOf(a: SideHistory, b: SideHistory): Parting[] {
  return [...fc1Partings(a, b), ...slotPartings(a, b), outputParting(a, b)].filter(
    (parting): parting is Parting => parting !== null,
  );
}

function fc1Partings(a: SideHistory, b: SideHistory): Found[] {
  const left = a.fc1;
  const right = b.fc1;
  if (!left || !right) return [];
  const { slot, element } = left;
  const operands = [
    [left.up, right.up],
    ...(left.gate && right.gate ? [[left.gate, right.gate] as const] : []),
  ] as const;
  const scales = [left, right].map(({ multiplier, activationScale }) => multiplier / activationScale) as [
    number,
    number,
  ];
  const weights = operands.map(([x, y]) => weightParting('w13', slot, x, y, scales)).find((found) => found !== null);
  return [
    codesParting('x', slot, left.up, right.up, [left.activationScale, right.activationScale]),
    weights ?? null,
    parting('fc1', slot, `up ${element}`, left.upValue, right.upValue) ??
      parting('fc1', slot, `gate ${element}`, left.gateValue ?? 0, right.gateValue ?? 0),
  ];
}

function slotPartings(a: SideHistory, b: SideHistory): Found[] {
  const pairs = a.slots.flatMap((slot, index): [SlotHistory, SlotHistory][] => {
    const other = b.slots[index];
    return other ? [[slot, other]] : [];
  });
  const first = (look: (left: SlotHistory, right: SlotHistory) => Found): Found => {
    for (const [left, right] of pairs) {
      const found = look(left, right);
      if (found) return found;
    }
    return null;
  };
  return [
    first((left, right) => {
      const at = left.act.findIndex((value, index) => differ(value, right.act[index] as number));
      return at < 0 ? null : parting('activation', left.slot, `element ${at}`, left.act[at]!, right.act[at]!);
    }),
    first((left, right) =>
      codesParting('requantized', left.slot, left.dot, right.dot, [left.activationScale, right.activationScale]),
    ),
    first((left, right) =>
      weightParting('w2', left.slot, left.dot, right.dot, [
        left.multiplier / left.activationScale,
        right.multiplier / right.activationScale,
      ]),
    ),
    first((left, right) => parting('fc2', left.slot, 'whole slot', left.fc2, right.fc2)),
    first((left, right) =>
      parting('contribution', left.slot, 'whole slot', contribution(a, left.slot), contribution(b, right.slot)),
    ),
  ];
}

/** What a slot adds to y, over all its slices. */
function contribution({ additions }: SideHistory, slot: number): number {
  return additions.reduce((sum, step) => (step.slot === slot ? sum + step.value : sum), 0);
}

function outputParting(a: SideHistory, b: SideHistory): Found {
  return parting('y', -1, 'output', a.y, b.y);
}

function parting(step: Parting['step'], slot: number, at: string, a: number, b: number): Found {
  return differ(a, b) ? { step, slot, at, a, b } : null;
}

const magnitudes = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
/** Value of an E2M1 code. */
export function fp4Value(code: number): number {
  const value = magnitudes[code & 7] as number;
  return code & 8 ? -value : value;
}

/** Value of an E4M3 byte; NaN for 0x7F and 0xFF. */
export function e4m3Value(byte: number): number {
  const exponent = (byte >> 3) & 15;
  const mantissa = byte & 7;
  if ((byte & 127) === 127) return Number.NaN;
  const value = exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10);
  return byte & 128 ? -value : value;
}

function operandParting(
  step: Parting['step'],
  slot: number,
  a: { codes: Uint8Array; sf: Uint8Array; scale: number },
  b: { codes: Uint8Array; sf: Uint8Array; scale: number },
): Found {
  for (let i = 0; i < a.codes.length; i++) {
    const value = (side: typeof a) =>
      fp4Value(side.codes[i] as number) * e4m3Value(side.sf[i >> 4] as number) * side.scale;
    const found = parting(step, slot, `element ${i} (block ${i >> 4})`, value(a), value(b));
    if (found) return found;
  }
  return null;
}

function codesParting(
  step: Parting['step'],
  slot: number,
  a: DotHistory,
  b: DotHistory,
  scales: [number, number],
): Found {
  return operandParting(
    step,
    slot,
    { codes: a.activationCodes, sf: a.activationSf, scale: scales[0] },
    { codes: b.activationCodes, sf: b.activationSf, scale: scales[1] },
  );
}

function weightParting(
  step: Parting['step'],
  slot: number,
  a: DotHistory,
  b: DotHistory,
  scales: [number, number],
): Found {
  return operandParting(
    step,
    slot,
    { codes: a.weightCodes, sf: a.weightSf, scale: scales[0] },
    { codes: b.weightCodes, sf: b.weightSf, scale: scales[1] },
  );
}
