import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const inRepository = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** The window: plain files that both the custom scheme of Electron and the HTTP host serve under a strict CSP. */
export default defineConfig({
  root: inRepository('renderer'),
  // Relative, so that the same files work under a scheme, a port and a path with a token.
  base: './',
  publicDir: false,
  logLevel: 'warn',
  plugins: [react()],
  build: {
    outDir: inRepository('.vite/renderer/main_window'),
    emptyOutDir: true,
    target: 'chrome108',
    cssTarget: 'chrome108',
    sourcemap: true,
    reportCompressedSize: false,
    // Nothing as a data: URL: the CSP allows fonts and pictures from 'self' only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 4096,
  },
});
