/** Element histories of a recording: from its weights, from its checkpoint, and why there is none. */
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Side } from '../../../electron/contract/batch';
import type { SideHistory } from '../../../electron/contract/element';
import { elementHistory } from '../../../electron/engine/analysis/history';
import { loadBinding } from '../../../electron/engine/native/load';
import { isUnavailable } from '../../../electron/engine/run/source';
import { ReplaySource } from '../../../electron/engine/session/replay-source';
import { record, type Workplace, workplace } from './recording';

const binding = loadBinding();
const place = { token: 3, column: 17, slot: 1, element: 5 };

let home: Workplace;
let withWeights: string;
let without: string;
beforeAll(async () => {
  home = await workplace();
  withWeights = join(home.folder, 'weights.moesession');
  without = join(home.folder, 'plain.moesession');
  await record(home.checkpoint, withWeights, [8, 64], { taps: true, weights: true });
  await record(home.checkpoint, without, [8], { taps: true });
});
afterAll(() => home.remove());

async function opened<T>(session: string, work: (source: ReplaySource) => Promise<T>): Promise<T> {
  const source = await ReplaySource.open(session, () => binding);
  try {
    return await work(source);
  } finally {
    await source.dispose();
  }
}

/** y[token, column] of the recording: BF16, F64 of the reference, which has the scales of b12x here. */
async function recordedValue(source: ReplaySource, batch: number, side: Side): Promise<number> {
  const answer = await source.answer(batch, side, side === 'reference' ? 'b12x' : side);
  if (isUnavailable(answer)) throw new Error(answer.reason);
  const y = answer.tensors.y!;
  const bytes = y.read(0, y.info().bytes).slice().buffer;
  const at = place.token * source.shape.hidden + place.column;
  if (side === 'reference') return new Float64Array(bytes)[at]!;
  return new Float32Array(Uint32Array.of(new Uint16Array(bytes)[at]! << 16).buffer)[0]!;
}

const reasonOf = (side: SideHistory | { reason: string }) => (isUnavailable(side) ? side.reason : '');

describe('history of a recorded element', () => {
  it.each([
    ['b12x', 'cutlass'],
    ['cutlass', 'b12x'],
    ['b12x', 'reference'],
  ] as const)('of %s and %s ends in the recorded values', async (a: Side, b: Side) => {
    await opened(withWeights, async (source) => {
      for (const batch of [0, 1]) {
        const history = await elementHistory(source, { ...place, batch, a, b });
        for (const side of [history.a, history.b]) {
          expect(reasonOf(side)).toBe('');
          const { y, slots, fc1, side: name } = side as SideHistory;
          expect(y).toBe(await recordedValue(source, batch, name));
          expect(slots).toHaveLength(2);
          expect(fc1).toMatchObject({ slot: 1, element: 5 });
        }
      }
      expect(source.memoryBytes()).toBeGreaterThan(3 * 8 * 256 * 64);
    });
  });

  it('of a value that comes out otherwise now says both values', async () => {
    await opened(withWeights, async (source) => {
      const right = source.answer.bind(source);
      // As if another build had recorded: the answer of the other batch's first rows.
      source.answer = (_, side, as) => right(1, side, as);
      const { a } = await elementHistory(source, { ...place, batch: 0, a: 'b12x', b: 'b12x' });
      expect(reasonOf(a)).toMatch(/has -?[\d.e-]+ here, and the same batch run now on .* gives -?[\d.e-]+/);
    });
  });

  it('needs a provider that shows partial sums', async () => {
    await opened(withWeights, async (source) => {
      Object.assign(source.environment.device, { provider: '/libs/other.so' });
      const { a, b } = await elementHistory(source, { ...place, batch: 0, a: 'b12x', b: 'reference' });
      expect(reasonOf(a)).toMatch(/other\.so, which shows no partial sums/);
      expect(reasonOf(b)).toBe('');
    });
  });

  it('takes the checkpoint where the recording has no weights, and says when that is gone', async () => {
    await opened(without, async (source) => {
      expect(reasonOf((await elementHistory(source, { ...place, batch: 0, a: 'b12x', b: 'cutlass' })).a)).toBe('');
    });
    const away = `${home.checkpoint}-away`;
    await rename(home.checkpoint, away);
    try {
      await opened(without, async (source) => {
        const { a } = await elementHistory(source, { ...place, batch: 0, a: 'b12x', b: 'cutlass' });
        expect(reasonOf(a)).toMatch(/holds no weights, and its checkpoint .* is not on this machine/);
      });
    } finally {
      await rename(away, home.checkpoint);
    }
  });
});
