import { defineConfig } from 'vite';
import { nodeBundle } from './node-bundle.ts';

export default defineConfig(nodeBundle({ name: 'main', entry: 'electron/main.ts', target: 'node16' }));
