/** What may import what: everything that is not written here is forbidden. Imports point inward. */

interface Layer {
  /** Folders (`.../**`), files, or prefixes (`...*`), from the repository's root. The first layer that matches a file is its layer. */
  files: string[];
  /** The part of our own code it may import, in the same notation; its own files are always allowed. */
  mayImport: string[];
  /** Packages and Node's own modules (`node:`) it may import. */
  packages: string[];
}

const engine = ['electron/engine/**'];
const contract = ['electron/contract/**'];
/** How contract messages become bytes; used by both ends of a connection. */
const wire = ['electron/wire/**'];

/** Packages that a test may use whatever layer it sits beside. */
export const testPackages = ['vitest', 'fast-check', 'node:'];

export const layers: Record<string, Layer> = {
  contract: { files: contract, mayImport: [], packages: ['zod'] },
  wire: { files: wire, mayImport: contract, packages: ['@msgpack/msgpack'] },
  engine: {
    files: engine,
    mayImport: contract,
    packages: ['node:', 'zod', '@mcap/core', '@msgpack/msgpack', 'fflate', 'simple-statistics'],
  },
  'electron hosts': {
    files: ['electron/hosts/electron*'],
    mayImport: [...contract, ...wire, ...engine, 'electron/hosts/**'],
    packages: ['electron', 'node:', 'zod'],
  },
  hosts: {
    files: ['electron/hosts/**'],
    mayImport: [...contract, ...wire, ...engine],
    packages: ['node:', 'zod', 'ws'],
  },
  'command line': {
    files: ['electron/cli/**'],
    mayImport: [...contract, ...engine, 'electron/hosts/**'],
    packages: ['node:', 'zod', 'commander', 'fflate'],
  },
  preload: { files: ['electron/preload', 'electron/preload.ts'], mayImport: contract, packages: ['electron'] },
  shell: { files: ['electron/shell/**'], mayImport: contract, packages: ['electron', 'node:', 'zod'] },
  main: {
    files: ['electron/main', 'electron/main.ts'],
    mayImport: [...contract, ...engine, 'electron/hosts/**', 'electron/shell/**'],
    packages: ['electron', 'node:'],
  },
  renderer: {
    files: ['renderer/**'],
    mayImport: [...contract, ...wire],
    packages: [
      'react',
      'react-dom',
      'zustand',
      'immer',
      'recharts',
      'dockview-react',
      'cmdk',
      'd3-scale-chromatic',
      '@tanstack/react-virtual',
      '@fontsource/inter',
      '@fontsource/jetbrains-mono',
      'zod',
    ],
  },
};

/** Only these may import `electron`. */
export const electronImporters = [
  'electron/main.ts',
  'electron/preload.ts',
  'electron/shell/**',
  'electron/hosts/electron*',
];

/** C++: which folders or headers of native/ a folder of native/ may include. Its own files are always allowed. */
export const nativeLayers: Record<string, string[]> = {
  core: ['provider.h'],
  reference: ['core', 'provider.h'],
  cpu: ['core', 'provider.h'],
  cuda: ['core', 'provider.h'],
  // Models of the cpu pipelines with switches.
  explain: ['core', 'cpu', 'provider.h'],
  // Built-in providers are linked in: their entry functions are named, the rest goes through provider.h; simd.h says which
  // instructions are in use.
  addon: ['core', 'provider.h', 'cpu/simd.h', 'cpu/cpu_provider.h', 'reference/reference_provider.h', 'explain'],
  bench: ['core', 'provider.h', 'cpu/cpu_provider.h'],
  test: ['core', 'reference', 'cpu', 'cuda', 'explain', 'provider.h'],
};

/** Headers that tie code to Node or to CUDA, and the folders that may know them. */
export const tiedHeaders: { header: RegExp; folders: string[] }[] = [
  { header: /^(napi|node_api|node|v8|uv)\b.*\.h$/, folders: ['addon'] },
  // The seam, the host side of the cuda provider and its choice of arithmetic are ours and know CUDA only behind an interface: tests include them.
  // So are the CUTLASS path's launches, which a test fakes on a cuda_runtime_api.h of its own (native/test/cuda_headers).
  {
    header:
      /^(cuda(?!\/(launch\.h|copy_error\.h|provider\/|b12x\/arithmetic\.h|cutlass\/(operands|expert_gemm)\.h|kernels\/finalize\.h))|cublas|cutlass|cute|nv)[\w/]*/,
    folders: ['cuda'],
  },
];

/** Most lines a file may have. */
export const longestFile = 400;

/**
 * Words that have no place in finished code, split so that this file passes its own rule. In tests, focused and skipped
 * cases hide failures; a Playwright condition is written as an `if` in one spec.
 */
export const forbidden: { pattern: RegExp; why: string }[] = [
  {
    pattern: new RegExp(`\\b(TO${'DO'}|FIX${'ME'}|HA${'CK'}|XX${'X'})\\b`),
    why: 'unfinished work belongs in an issue',
  },
  { pattern: /\b(?:it|test|describe|suite)\.(?:only|skip|todo|fixme)\b/, why: 'no test is focused or skipped' },
  { pattern: /@ts-(?:ignore|nocheck)\b/, why: 'types are fixed, not silenced' },
];

/** Folder names that say nothing about what is inside. */
export const emptyNames = /(^|\/)(utils?|helpers?|misc|common)(\/|\.|$)/;

/**
 * Not in Node 16.17 with V8 10.8, on which main, preload, engine and hosts run in Electron 22. Types do not show this:
 * they describe Node 20 and browsers.
 */
export const tooNewForElectron22: RegExp[] = [
  /(?<![.\w])structuredClone\s*\(/,
  /(?<![.\w])fetch\s*\(/,
  /\bnew\s+(?:Request|Response|Headers|FormData|WebSocket)\s*\(/,
  /\.(?:toSorted|toReversed|toSpliced|isWellFormed|toWellFormed)\s*\(/,
  /\b(?:Object|Map)\.groupBy\s*\(/,
  /\bPromise\.(?:withResolvers|try)\b/,
  /\bArray\.fromAsync\b/,
  /\bAbortSignal\.any\b/,
  /\.(?:isSubsetOf|isSupersetOf|isDisjointFrom|symmetricDifference)\s*\(/,
  /from\s+['"]node:(?:test|sqlite|sea)['"]/,
];

/** Code that runs in Electron's main, utility or preload process. */
export const runsInElectron = [
  'electron/engine/**',
  'electron/contract/**',
  'electron/hosts/**',
  'electron/shell/**',
  'electron/wire/**',
];
