/**
 * Entry of the engine's own process: a utility process in Electron, a forked child under plain Node. A long launch or a
 * fault of the GPU ends or freezes this process only; the window and its host stay.
 */
import { getPriority, setPriority } from 'node:os';
import { runEngineHost } from './engine-host';

// The window goes first: while a layer takes every core, a key press must not wait behind it. Threads made later inherit this.
setPriority(Math.min(19, getPriority() + 5));

runEngineHost(async () => (await import('./open-engine')).openEngine);
