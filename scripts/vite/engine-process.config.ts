import { defineConfig } from 'vite';
import { nodeBundle } from './node-bundle.ts';

export default defineConfig(
  nodeBundle({ name: 'engine-process', entry: 'electron/hosts/engine-process.ts', target: 'node16' }),
);
