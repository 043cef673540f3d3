import { builtinModules } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { UserConfig } from 'vite';

/** One CommonJS file in .vite/build; `entry` is relative to the repository. */
export interface NodeBundle {
  name: 'main' | 'preload' | 'engine-process' | 'cli';
  entry: string;
  /** Oldest runtime that runs it: Electron 22 has Node 16 in the main and utility processes, Chromium 108 in the preload. */
  target: 'node16' | 'chrome108';
}

/** Parts of `ws` that it looks for and does without. */
const optional = ['bufferutil', 'utf-8-validate'];

/**
 * A whole Vite configuration for code that runs in Node or Electron, independent of what Forge would add, so that the same
 * file serves `npm run build` and Forge. Everything from node_modules is bundled; Electron and Node's own modules are not;
 * the native addon is found at run time through createRequire, which the bundler leaves alone.
 */
export function nodeBundle({ name, entry, target }: NodeBundle): UserConfig {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  return {
    root,
    publicDir: false,
    logLevel: 'warn',
    // Without these a package with a `browser` entry (ws has one) would be bundled in its browser form.
    resolve: { conditions: ['node', 'import', 'module', 'default'], mainFields: ['module', 'main'] },
    define: { 'process.env.NODE_ENV': JSON.stringify('production') },
    build: {
      outDir: '.vite/build',
      emptyOutDir: false,
      target,
      minify: false,
      sourcemap: true,
      reportCompressedSize: false,
      lib: { entry, formats: ['cjs'], fileName: () => `${name}.cjs` },
      rolldownOptions: {
        // 'node' turns import.meta.url and import.meta.dirname into their CommonJS forms; by default they become undefined.
        platform: 'node',
        external: ['electron', ...optional, ...builtinModules, /^node:/],
        output: { codeSplitting: false },
      },
    },
  };
}
