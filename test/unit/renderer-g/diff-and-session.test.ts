import { beforeEach, describe, expect, it } from 'vitest';
import { runCommand } from '../../../renderer/commands/registry';
import '../../../renderer/panels/diff/commands';
import '../../../renderer/panels/scales/commands';
import '../../../renderer/panels/session/commands';
import { AppError } from '../../../electron/contract/errors';
import type { EngineState, SessionInfo } from '../../../electron/contract/session';
import type { EngineClient } from '../../../renderer/client';
import { diffAddress } from '../../../renderer/panels/diff/address';
import { useExplanation } from '../../../renderer/panels/diff/explanation';
import { formatWithin } from '../../../renderer/panels/diff/stage-table';
import { comparisonKey, showComparison, useDiff } from '../../../renderer/panels/diff/state';
import { parseTolerance } from '../../../renderer/panels/diff/tolerance-fields';
import { ulpBinNames } from '../../../renderer/panels/diff/ulp-histogram';
import { scalesAddress } from '../../../renderer/panels/scales/address';
import { useScales } from '../../../renderer/panels/scales/state';
import { factsText, fileFacts, sizeFacts } from '../../../renderer/panels/session/environment';
import { useConnection } from '../../../renderer/stores/connection';
import { useSelection } from '../../../renderer/stores/selection';
import { useView } from '../../../renderer/stores/view';

describe('what Diff writes', () => {
  it('names the ULP bins as the engine counts them', () => {
    expect(ulpBinNames(13)).toEqual([
      '0',
      '1',
      '2',
      '3-4',
      '5-8',
      '9-16',
      '17-32',
      '33-64',
      '65-128',
      '129-256',
      '257-512',
      '513-1024',
      '>1024',
    ]);
  });

  it('does not round a share up to everything or down to nothing', () => {
    expect(formatWithin(1)).toBe('100 %');
    expect(formatWithin(0.9999999)).toBe('>99.999 %');
    expect(formatWithin(1e-9)).toBe('<0.001 %');
    expect(formatWithin(0.1481)).toBe('14.810 %');
  });

  it('takes a tolerance only when it is a number, zero or more', () => {
    expect(['0', '1e-3', ' 0.016 '].map(parseTolerance)).toEqual([0, 0.001, 0.016]);
    expect(['', '-1', 'x', 'Infinity'].map(parseTolerance)).toEqual([null, null, null, null]);
  });
});

describe('commands', () => {
  beforeEach(() => {
    useSelection.setState({ batch: null, tensor: null, element: null });
    useConnection.setState({ engine: null });
  });

  it('diff.setPair and diff.setTolerance change the shared view and refuse what is none', async () => {
    await runCommand('diff.setPair', { b: 'reference' });
    expect(useView.getState().pair).toEqual({ a: 'b12x', b: 'reference' });
    await runCommand('diff.setTolerance', { rtol: 0.05 });
    expect(useView.getState().tolerance).toMatchObject({ rtol: 0.05, atol: 1e-5 });
    await expect(runCommand('diff.setPair', { a: 'marlin' })).rejects.toMatchObject({ code: 'usage', found: 'marlin' });
    await expect(runCommand('diff.setTolerance', { atol: -1 })).rejects.toMatchObject({ code: 'usage' });
    expect(useView.getState().tolerance.atol).toBe(1e-5);
  });

  it('diff.stage begins at the whole of the stage', async () => {
    useDiff.setState({ view: { row: 1, column: 1, rowPx: 2, columnPx: 2 }, element: { row: 1, column: 1 } });
    await runCommand('diff.stage', { stage: 'fc2' });
    expect(useDiff.getState()).toMatchObject({ stage: 'fc2', view: null, element: null });
    await expect(runCommand('diff.stage', { stage: 'fc3' })).rejects.toMatchObject({ code: 'usage' });
  });

  it('diff.causes belongs to the comparison it was asked for', async () => {
    await expect(runCommand('diff.causes')).rejects.toMatchObject({ code: 'wrong-state' });
    useSelection.setState({ batch: 4 });
    useView.setState({ pair: { a: 'b12x', b: 'cutlass' } });
    const error = new AppError({ code: 'unsupported', message: 'no' });
    const asked: unknown[] = [];
    const client = { request: (...request: unknown[]) => Promise.reject(asked.push(request) && error) };
    useConnection.setState({ client: client as unknown as EngineClient });
    await runCommand('diff.causes');
    expect(asked[0]).toMatchObject(['diff.explain', { batch: 4, a: 'b12x', b: 'cutlass' }, {}]);
    const key = comparisonKey(4, { a: 'b12x', b: 'cutlass' });
    expect(useExplanation.getState()).toMatchObject({ of: key, found: null, running: false, error: { message: 'no' } });
    expect(key).not.toBe(comparisonKey(5, { a: 'b12x', b: 'cutlass' }));
    useConnection.setState({ client: null });
  });

  it('scales.pick needs a layer and a place, and brings its expert', async () => {
    await expect(runCommand('scales.pick', { row: 1, column: 2 })).rejects.toMatchObject({ code: 'wrong-state' });
    useConnection.setState({ engine: { layer: {} } as unknown as EngineState });
    await expect(runCommand('scales.pick', { row: 1 })).rejects.toMatchObject({ code: 'usage' });
    await runCommand('scales.pick', { plane: 3, row: 1, column: 2 });
    expect(useSelection.getState().element).toEqual({ plane: 3, row: 1, column: 2 });
    expect(useScales.getState().plane).toBe(3);
  });

  it('notes need a session, seeking a replay', async () => {
    await expect(runCommand('session.annotate', { notes: 'x' })).rejects.toMatchObject({ code: 'wrong-state' });
    await expect(runCommand('session.seek', { batch: 1 })).rejects.toMatchObject({ code: 'wrong-state' });
  });
});

describe('what Session writes', () => {
  it('names every part of the folder and sums the sizes', () => {
    expect(fileFacts('/data/a.moesession/').map(([, path]) => path)).toEqual([
      '/data/a.moesession/',
      '/data/a.moesession/manifest.json',
      '/data/a.moesession/session.mcap',
      '/data/a.moesession/blobs',
    ]);
    const sizes = sizeFacts({ batches: 12, eventBytes: 1024, blobs: 2, blobBytes: 3072 } as SessionInfo);
    expect(Object.fromEntries(sizes)).toMatchObject({ Batches: '12', Together: '4.00 KiB' });
    expect(factsText([sizes.slice(0, 1)])).toBe('Batches: 12');
  });
});

describe('links', () => {
  const roundTrip = <T>(
    part: { write: (state: T, fields: URLSearchParams) => void; read: (fields: URLSearchParams) => Partial<T> },
    state: T,
  ) => {
    const fields = new URLSearchParams();
    part.write(state, fields);
    return part.read(new URLSearchParams(fields.toString()));
  };
  const view = { row: 12.5, column: 3, rowPx: 24, columnPx: 76 };

  it('bring back expert, ratio, zoom and colours of Scales', () => {
    const { looks } = useScales.getState();
    const ratio = { ...looks.ratio, range: { lo: 0.5, hi: 2 } };
    const state = { plane: 5, view, against: 'cutlass/w13_cutlass_weight_scale', looks: { ...looks, ratio } };
    // Which tensor's layouts are tried is an action, not a place: it does not travel.
    expect(roundTrip(scalesAddress, { ...state, layouts: 'b12x/w13_weight_scale' })).toEqual(state);
  });

  it('bring back stage, element and zoom of Diff', () => {
    const state = { ...useDiff.getState(), stage: 'fc2' as const, view, element: { row: 7, column: 9 } };
    expect(roundTrip(diffAddress, state)).toEqual({ stage: 'fc2', view, element: { row: 7, column: 9 } });
  });

  it('leave out what is malformed', () => {
    const fields = new URLSearchParams('expert=-1&zoom=1,2,0,4&colours=5,1&stage=fc9&cell=1.5,2&diffzoom=x');
    expect(scalesAddress.read(fields)).toEqual({});
    expect(diffAddress.read(fields)).toEqual({});
  });

  it('the first comparison keeps what a link brought, the next begins anew', () => {
    useDiff.setState({ of: '', view, element: { row: 1, column: 2 } });
    showComparison('3,b12x,cutlass');
    expect(useDiff.getState()).toMatchObject({ view, element: { row: 1, column: 2 } });
    showComparison('4,b12x,cutlass');
    expect(useDiff.getState()).toMatchObject({ view: null, element: null });
  });
});
