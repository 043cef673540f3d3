import { defineConfig } from 'vite';
import { nodeBundle } from './node-bundle.ts';

export default defineConfig(nodeBundle({ name: 'preload', entry: 'electron/preload.ts', target: 'chrome108' }));
