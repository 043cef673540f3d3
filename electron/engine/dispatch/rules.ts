/** Rule files of b12x's inner dispatch: cut-overs as data, each with a source and a date. The decision itself is native (`decide`). */
import { z } from 'zod';
import { AppError } from '../../contract/errors';
import type { Origin } from '../../contract/layer';
import type { RuleLimits } from '../native/binding';
import flashinfer20260822 from './rules/flashinfer-2026-08-22.json';
import flashinfer4718 from './rules/flashinfer-4718.json';

const count = z.number().int().min(0);
const positive = z.number().int().min(1);

/** Rungs must ascend: the first one that holds the batch is taken. */
const ascend = (values: number[]) => values.every((value, i) => i === 0 || (values[i - 1] ?? 0) < value);

const clusters = z
  .array(z.strictObject({ maxRoutedPairs: positive, clusters: positive }))
  .refine((rungs) => ascend(rungs.map((rung) => rung.maxRoutedPairs)), 'rungs must ascend by maxRoutedPairs')
  .optional();

const RuleFileSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]*$/),
  /** when the release was cut or the pull request merged */
  date: z.iso.date(),
  source: z.string().min(1),
  notes: z.array(z.string()),
  limits: z.strictObject({
    directMicroMaxTokens: count,
    directMicroMaxRoutedPairs: count,
    directMicroMaxIntermediate: count,
    directMicroMaxHidden: count,
    directMicroMaxTopK: count,
    microMaxTokens: count,
    microMaxRoutedPairs: count,
    microMaxRoutedPairsTopK1: count,
    staticMaxRoutedPairs: count,
    dynamicTileM: z
      .array(z.strictObject({ rowsPerExpertBelow: positive, tileM: positive }))
      .refine(
        (rungs) => ascend(rungs.map((rung) => rung.rowsPerExpertBelow)),
        'rungs must ascend by rowsPerExpertBelow',
      ),
    dynamicTileMDefault: positive,
    dynamicTileMNonGated: positive,
    intermediateTile: positive,
    microClusters: clusters,
    staticClusters: clusters,
    dynamicClusters: clusters,
  }),
});
export type RuleFile = z.infer<typeof RuleFileSchema>;

/** What `binding.decide` takes, and what to tell the user. */
export interface DispatchRules {
  limits: RuleLimits;
  /** by RuleLimits key; a key that is absent is a constant of the rule file */
  origins: Record<string, Origin>;
  warnings: string[];
}

/** The release that most users run; #4718 came three days later. */
export const defaultRulesId = 'flashinfer-2026-08-22';

/** FlashInfer reads these once, the first that is set winning (moe_dispatch.py `_get_static_compact_cutover_pairs`). */
export const staticCutoverVariables = [
  'FLASHINFER_B12X_STATIC_COMPACT_CUTOVER_PAIRS',
  'B12X_STATIC_COMPACT_CUTOVER_PAIRS',
  'B12X_DYNAMIC_STATIC_CUTOVER_PAIRS',
  'B12X_LEVEL10_STATIC_CUTOVER_PAIRS',
] as const;

/**
 * Checks one rule file.
 * @throws AppError `bad-rules` naming the first field that does not fit.
 */
export function parseRuleFile(data: unknown, name: string): RuleFile {
  const result = RuleFileSchema.safeParse(data);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = issue?.path.join('.') || 'the file';
  throw new AppError({
    code: 'bad-rules',
    message: `Rule file ${name} does not fit its format: ${field}: ${issue?.message ?? 'unknown'}.`,
    subject: name,
    found: field,
  });
}

const files: readonly RuleFile[] = [
  parseRuleFile(flashinfer20260822, 'flashinfer-2026-08-22.json'),
  parseRuleFile(flashinfer4718, 'flashinfer-4718.json'),
];

/** The rule files of this build, oldest first. */
export function listRules(): { id: string; source: string; date: string }[] {
  return files.map(({ id, source, date }) => ({ id, source, date }));
}

/**
 * Limits of a rule file with the environment's static cut-over applied.
 * @param id undefined: `defaultRulesId`
 * @param env the variables of `staticCutoverVariables`; a negative number counts as 0, as in FlashInfer. Text that is no
 *   whole number stops FlashInfer (ValueError); here the rule file's value stays and a warning says so.
 * @throws AppError `bad-option` for an unknown id
 */
export function loadRules(
  id: string | undefined,
  env: Record<string, string | undefined> = process.env,
): DispatchRules {
  const file = files.find((candidate) => candidate.id === (id ?? defaultRulesId));
  if (!file) {
    throw new AppError({
      code: 'bad-option',
      message: `There is no dispatch rule file "${id}".`,
      subject: 'rules',
      expected: files.map((known) => known.id).join(', '),
      found: String(id),
    });
  }
  const rules: DispatchRules = { limits: { id: file.id, ...file.limits }, origins: {}, warnings: [] };
  const variable = staticCutoverVariables.find((name) => env[name] !== undefined);
  if (variable === undefined) return rules;
  const text = (env[variable] ?? '').trim();
  if (!/^[+-]?\d{1,9}$/.test(text)) {
    rules.warnings.push(
      `${variable}="${text}" is no whole number; FlashInfer would stop here. ${file.limits.staticMaxRoutedPairs} of ${file.id} is used.`,
    );
    return rules;
  }
  rules.limits.staticMaxRoutedPairs = Math.max(0, Number(text));
  rules.origins.staticMaxRoutedPairs = { kind: 'environment', where: variable };
  return rules;
}

/** The rule files as the layer loader takes them. */
export function ruleSource(env: Record<string, string | undefined> = process.env) {
  return { load: (id: string | undefined) => loadRules(id, env), list: listRules, defaultId: defaultRulesId };
}
