/**
 * Entry of the engine's own process: a utility process in Electron, a forked child under plain Node. A long launch or a
 * fault of the GPU ends or freezes this process only; the window and its host stay.
 */
import { runEngineHost } from './engine-host';

runEngineHost(async () => (await import('./open-engine')).openEngine);
