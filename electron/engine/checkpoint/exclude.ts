/** Lists of modules that an exporter left unquantized: `exclude_modules` of ModelOpt, `ignore` of compressed-tensors. */
import { createContext, Script } from 'node:vm';

/**
 * One pattern of such a list, made usable. ModelOpt 0.47 writes NemotronH names as "lm_head.\u0000backbone.pt_name_sentinel":
 * what comes before ".\u0000" is the name; a trailing "*" is kept, also when it comes after the cut.
 * @returns null for what is no pattern at all (not text, empty).
 */
export function cleanPattern(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  const zero = value.indexOf('\u0000');
  const cut = value[zero - 1] === '.' ? zero - 1 : zero;
  if (zero < 0) return value.trim() || null;
  const name = value.slice(0, cut).trim();
  if (!name) return null;
  return value.endsWith('*') && !name.endsWith('*') ? `${name}*` : name;
}

/** Whether a list leaves out `module`, a dotted name such as `model.layers.0.mlp.experts.3.up_proj`. */
export class ExcludeList {
  readonly patterns: readonly string[];
  private readonly tests: ((module: string) => boolean)[];

  constructor(list: unknown) {
    const items = Array.isArray(list) ? list : [];
    this.patterns = items.map(cleanPattern).filter((pattern): pattern is string => pattern !== null);
    const expressions = this.patterns.filter((pattern) => pattern.startsWith(expressionMark));
    this.tests = this.patterns.filter((pattern) => !pattern.startsWith(expressionMark)).map(testOf);
    if (expressions.length > 0) this.tests.push(expressionTest(expressions));
  }

  matches(module: string): boolean {
    return this.tests.some((test) => test(module));
  }
}

/** `*` takes any text (ModelOpt, fnmatch); a plain name also covers what lies below it. */
function testOf(pattern: string): (module: string) => boolean {
  if (!pattern.includes('*')) return (module) => module === pattern || module.startsWith(`${pattern}.`);
  const parts = pattern.split('*');
  return (module) => matchParts(module, parts);
}

/** compressed-tensors marks a regular expression so; it has to match from the start of the name (Python's `re.match`). */
const expressionMark = 're:';
/** For all expressions of a list and one name, in ms; honest ones take microseconds. */
const expressionLimit = 200;
// Python's syntax is a little wider than ours; dtypes decide in the end, so an unreadable expression excludes nothing.
const expressionScript = `sources.some((source) => {
  try { return new RegExp(source).test(text); } catch { return false; }
})`;

/** The expressions come with the checkpoint and one may take exponential time: they run under a limit, beyond which none counts. */
function expressionTest(patterns: readonly string[]): (module: string) => boolean {
  const sources = patterns.map((pattern) => `^(?:${pattern.slice(expressionMark.length)})`);
  const script = new Script(expressionScript);
  const world = createContext({ sources, text: '' });
  let tooSlow = false;
  return (module) => {
    if (tooSlow) return false;
    world.text = module;
    try {
      return script.runInContext(world, { timeout: expressionLimit }) === true;
    } catch (thrown) {
      if ((thrown as { code?: unknown }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw thrown;
      tooSlow = true;
      return false;
    }
  };
}

/** Wildcard match without a regular expression, so that a hostile pattern costs linear time. */
function matchParts(text: string, parts: readonly string[]): boolean {
  const first = parts[0]!;
  const last = parts[parts.length - 1]!;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
