import { join } from 'node:path';

/** Names inside a `.moesession` folder. */
export const sessionExtension = '.moesession';
export const eventFile = (session: string) => join(session, 'session.mcap');
export const recoveredFile = (session: string) => join(session, 'session.recovered.mcap');
export const manifestFile = (session: string) => join(session, 'manifest.json');
export const blobFolder = (session: string) => join(session, 'blobs');
export const blobFile = (session: string, sha256: string) => join(session, 'blobs', `${sha256}.safetensors`);
