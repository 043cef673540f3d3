/** Lists of modules that an exporter left unquantized: `exclude_modules` of ModelOpt, `ignore` of compressed-tensors. */

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
    this.tests = this.patterns.map(testOf);
  }

  matches(module: string): boolean {
    return this.tests.some((test) => test(module));
  }
}

/** `re:` takes a regular expression (compressed-tensors), `*` any text (ModelOpt, fnmatch); a plain name also covers what lies below it. */
function testOf(pattern: string): (module: string) => boolean {
  if (pattern.startsWith('re:')) {
    try {
      const expression = new RegExp(`^(?:${pattern.slice(3)})`);
      return (module) => expression.test(module);
    } catch {
      // Python's syntax is a little wider than ours; dtypes decide in the end, so an unreadable pattern excludes nothing.
      return () => false;
    }
  }
  if (!pattern.includes('*')) return (module) => module === pattern || module.startsWith(`${pattern}.`);
  const parts = pattern.split('*');
  return (module) => matchParts(module, parts);
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
