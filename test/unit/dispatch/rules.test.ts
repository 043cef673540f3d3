import { describe, expect, it } from 'vitest';
import { AppError } from '../../../electron/contract/errors';
import {
  defaultRulesId,
  listRules,
  loadRules,
  parseRuleFile,
  staticCutoverVariables,
} from '../../../electron/engine/dispatch/rules';
import good from '../../../electron/engine/dispatch/rules/flashinfer-2026-08-22.json';

function codeOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    return AppError.from(error).code;
  }
  return 'nothing thrown';
}

describe('rule files', () => {
  it('lists each with its source and date', () => {
    const listed = listRules();
    expect(listed.map((file) => file.id)).toEqual(['flashinfer-2026-08-22', 'flashinfer-4718']);
    for (const file of listed) expect(file.source).toMatch(/FlashInfer/);
  });

  it('differ in the static cut-over: 640, and 1024 with #4718', () => {
    expect(loadRules(undefined, {}).limits).toMatchObject({ id: defaultRulesId, staticMaxRoutedPairs: 640 });
    expect(loadRules('flashinfer-4718', {}).limits.staticMaxRoutedPairs).toBe(1024);
    expect(loadRules('flashinfer-4718', {}).origins).toEqual({});
  });

  it('refuses an unknown id and names the known ones', () => {
    expect(codeOf(() => loadRules('flashinfer-1999', {}))).toBe('bad-option');
    expect(() => loadRules('flashinfer-1999', {})).toThrow(/flashinfer-1999/);
  });

  it.each([
    ['a missing limit', { ...good, limits: { ...good.limits, staticMaxRoutedPairs: undefined } }],
    ['an unknown limit', { ...good, limits: { ...good.limits, staticMaxRows: 1 } }],
    ['a fraction', { ...good, limits: { ...good.limits, microMaxTokens: 7.5 } }],
    [
      'rungs out of order',
      { ...good, limits: { ...good.limits, dynamicTileM: [...good.limits.dynamicTileM].reverse() } },
    ],
    ['a date that is none', { ...good, date: '2026-02-30' }],
    ['no object', 'rules'],
  ])('refuses a file with %s', (_what, data) => {
    expect(codeOf(() => parseRuleFile(data, 'own.json'))).toBe('bad-rules');
  });
});

describe('static cut-over from the environment', () => {
  it('takes the first variable that is set, and says which', () => {
    const [first, , third] = staticCutoverVariables;
    const rules = loadRules(undefined, { [third]: '100', [first]: '512' });
    expect(rules.limits.staticMaxRoutedPairs).toBe(512);
    expect(rules.origins.staticMaxRoutedPairs).toEqual({ kind: 'environment', where: first });
    expect(loadRules(undefined, { [third]: '100' }).origins.staticMaxRoutedPairs?.where).toBe(third);
  });

  it('counts a negative number as 0, as FlashInfer does', () => {
    expect(loadRules(undefined, { [staticCutoverVariables[1]]: '-5' }).limits.staticMaxRoutedPairs).toBe(0);
  });

  it('keeps the file and warns when the value is no number', () => {
    const rules = loadRules('flashinfer-4718', { [staticCutoverVariables[0]]: 'many' });
    expect(rules.limits.staticMaxRoutedPairs).toBe(1024);
    expect(rules.origins).toEqual({});
    expect(rules.warnings).toHaveLength(1);
    expect(rules.warnings[0]).toContain('many');
  });
});
