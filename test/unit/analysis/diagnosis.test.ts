/** What the diagnosis makes of little evidence, on cases of the fault-injection study (seeds as in docs/fault-injection.json). */
import { describe, expect, it } from 'vitest';
import { loadBinding } from '../../../electron/engine/native/load';
import { shapes } from '../../../scripts/faults/layers.mjs';
import { diagnosed, givesTheSameBits, plantedCase } from '../../../scripts/faults/plant.mjs';
import { randomNumbers } from '../../../scripts/faults/random.mjs';

const binding = loadBinding();
type Diagnosis = Awaited<ReturnType<typeof binding.diagnose>>;

async function planted(shape: keyof typeof shapes, seed: number) {
  const made = await plantedCase(binding, shapes[shape], ['requantization'], randomNumbers(seed));
  const found = await diagnosed(binding, made!, 'taps', 11);
  const deviations: Pick<Diagnosis['deviations'][number], 'cause' | 'site' | 'variant'>[] = made!.deviations;
  return { made: made!, deviations, named: found.named, ranked: found.ranked, diagnosis: found.diagnosis as Diagnosis };
}

describe('a planted quantizer', () => {
  it('is named for the one block that it flips in a stage', async () => {
    const { named, diagnosis } = await planted('qwen', 1100065);
    expect(named).toEqual(['requantization']);
    for (const stage of ['input', 'requantized']) {
      const { compared, mismatchBefore, mismatchAfter } = diagnosis.segments.find((one) => one.stage === stage)!;
      expect(Math.round(compared * mismatchBefore)).toBe(1);
      expect(mismatchAfter).toBe(0);
    }
  });

  it('has one form at both GEMMs where that explains what was seen', async () => {
    const { deviations, named, diagnosis } = await planted('qwen', 1100060);
    expect(deviations.map(({ variant }) => variant)).toEqual([1, 1]);
    expect(named).toEqual(['requantization']);
    expect(diagnosis.deviations.map(({ site, variant }) => [site, variant]).sort()).toEqual([
      [0, 1],
      [1, 1],
    ]);
  });

  it('is an alternative of fast-math reciprocals that give the same bits', async () => {
    const { made, named, ranked, diagnosis } = await planted('qwen', 1100061);
    expect(named).toEqual(['reciprocal-approximation']);
    expect(ranked).toEqual(['reciprocal-approximation', 'requantization']);
    expect(await givesTheSameBits(binding, made, 'taps', diagnosis.deviations)).toBe(true);
    expect(await givesTheSameBits(binding, made, 'taps', [])).toBe(false);
  });
});
