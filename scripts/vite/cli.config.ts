import { defineConfig } from 'vite';
import { nodeBundle } from './node-bundle.ts';

export default defineConfig(nodeBundle({ name: 'cli', entry: 'electron/cli/main.ts', target: 'node16' }));
