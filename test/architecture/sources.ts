import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAst } from 'vite';

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

type Node = { type: string; start: number; [key: string]: unknown };
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'type' in value;

/** The node that names the imported module, for each way of importing; undefined for any other node. */
function moduleName(node: Node): unknown {
  if (node.type === 'TSExternalModuleReference') return node.expression;
  if (node.type !== 'CallExpression')
    return node.type === 'TSImportType' || /^(Im|Ex)port/.test(node.type) ? node.source : undefined;
  const callee = node.callee as Node;
  return callee.type === 'Identifier' && callee.name === 'require' ? (node.arguments as unknown[])[0] : undefined;
}

/** The imports of a TypeScript file: static, dynamic, re-exports, `require` and type imports alike. */
export function importsOf({ path, text }: Source): Import[] {
  const found: Import[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    if (!isNode(value)) return;
    const name = moduleName(value);
    if (isNode(name) && typeof name.value === 'string') {
      found.push({ specifier: name.value, target: targetOf(path, name.value), line: lineAt(text, value.start) });
    }
    Object.values(value).forEach(visit);
  };
  visit(parseAst(text, { lang: path.endsWith('x') ? 'tsx' : 'ts' }));
  return found;
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
