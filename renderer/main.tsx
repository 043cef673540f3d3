/** Wiring only: link to the engine, stores, commands, the window. */
import { connect, EngineClient } from './client';
import { askPath } from './frame/path-dialog';
import { startWindow } from './start';

startWindow(new EngineClient(() => connect({ askPath })), document.getElementById('root')!);
