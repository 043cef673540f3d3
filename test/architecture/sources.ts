import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Absolute path of the repository. */
export const repository = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

const codeFolders = ['electron', 'renderer', 'native', 'scripts', 'test'];
const codeEndings = /\.(ts|tsx|mts|mjs|cjs|js|css|html|h|hpp|c|cc|cpp|cu|cuh|cmake|py)$|CMakeLists\.txt$/;
const notOurs = /^test\/(fixtures|e2e\/baselines)\//;

export interface Source {
  /** Path from the repository's root, with forward slashes. */
  path: string;
  text: string;
}

function filesUnder(folder: string): string[] {
  return readdirSync(join(repository, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(repository, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
}

/** Every file of code in the repository. */
export function sources(): Source[] {
  const top = readdirSync(repository, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.config.ts'))
    .map((entry) => entry.name);
  const present = readdirSync(repository);
  return [...top, ...codeFolders.filter((folder) => present.includes(folder)).flatMap(filesUnder)]
    .filter((path) => codeEndings.test(path) && !notOurs.test(path))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(repository, path), 'utf8') }));
}

/** Blanks out comments, keeping line numbers. `://` inside a string is not a comment. */
export function withoutComments(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/(^|[^:'"`\\])\/\/.*$/gm, '$1');
}

export interface Import {
  /** What is written between the quotes. */
  specifier: string;
  /** The imported file from the repository's root without its ending, or the package's name. */
  target: string;
  line: number;
}

const javascript = /(?:\bfrom\s*|\bimport\s*\(\s*|\brequire\s*\(\s*|\bimport\s+)(['"])([^'"\n]+)\1/g;
const cplusplus = /^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]/gm;

const packageName = (specifier: string) => {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? specifier);
};

function targetOf(from: string, specifier: string): string {
  if (specifier.startsWith('.'))
    return join(dirname(from), specifier)
      .replaceAll('\\', '/')
      .replace(/\.(tsx?|mts)$/, '');
  return specifier.startsWith('node:') ? 'node:' : packageName(specifier);
}

/** The imports of a TypeScript or JavaScript file: static, dynamic, re-exports and type imports alike. */
export function importsOf({ path, text }: Source): Import[] {
  const code = withoutComments(text);
  return [...code.matchAll(javascript)].map((match) => {
    const specifier = match[2] ?? '';
    return { specifier, target: targetOf(path, specifier), line: lineAt(code, match.index) };
  });
}

/** The includes of a C++ or CUDA file; a quoted one is `"..."`, a system one `<...>`. */
export function includesOf({ text }: Source): { written: string; quoted: boolean; line: number }[] {
  const code = withoutComments(text);
  return [...code.matchAll(cplusplus)].map((match) => ({
    written: match[2] ?? '',
    quoted: match[1] === '"',
    line: lineAt(code, match.index),
  }));
}

export const lineAt = (text: string, index: number) => text.slice(0, index).split('\n').length;

/** True when `path` is in `folder` (ends with /**), or is the file, or starts with a prefix that ends with *. */
export function matches(path: string, pattern: string): boolean {
  if (pattern.endsWith('/**')) return path.startsWith(pattern.slice(0, -2));
  if (pattern.endsWith('*')) return path.startsWith(pattern.slice(0, -1));
  return path === pattern;
}
