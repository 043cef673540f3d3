/** The window's way to its engine and its host. Usage: `const client = new EngineClient(connect)`. */
import './jitless';

export { type ConnectionState, EngineClient, type RequestOptions } from './client';
export { type Connection, connect } from './connect';
export type { About, AskPath, Shell } from './shell';
