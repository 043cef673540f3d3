/** Files of the window's bundle with the headers they are served under, for the custom scheme and for the web host. */
import { readFile, realpath } from 'node:fs/promises';
import { extname, isAbsolute, join, relative, sep } from 'node:path';

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
};

export interface BundleFile {
  bytes: Buffer;
  type: string;
}

/**
 * The file of the bundle that a URL path names; `/` is index.html.
 * @param root folder of the bundle.
 * @param path as it stands in the URL, percent-encoded.
 * @returns undefined for anything that is not a file of a known type inside the folder (also not through a link).
 */
export async function readBundleFile(root: string, path: string): Promise<BundleFile | undefined> {
  const name = decodePath(path);
  if (name === undefined) return undefined;
  const type = types[extname(name)];
  if (type === undefined) return undefined;
  try {
    const folder = await realpath(root);
    const file = await realpath(join(folder, name));
    if (!isInside(folder, file)) return undefined;
    return { bytes: await readFile(file), type };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR' || code === 'ENAMETOOLONG') return undefined;
    throw error;
  }
}

/** The relative path in a URL path; undefined when it is malformed or leaves the root. */
function decodePath(path: string): string | undefined {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return undefined;
  }
  if (!decoded.startsWith('/') || decoded.includes('\0') || decoded.includes('\\')) return undefined;
  if (decoded.split('/').includes('..')) return undefined;
  return decoded === '/' ? 'index.html' : decoded.slice(1);
}

function isInside(folder: string, file: string): boolean {
  const path = relative(folder, file);
  return path !== '' && path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path);
}

/**
 * Headers of every file of the window.
 * @param connect further sources for connect-src, beside the window's own origin.
 */
export function securityHeaders(connect: string[] = []): Record<string, string> {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "font-src 'self'",
    // blob: and data: are pictures that the window draws itself, for its PNG export.
    "img-src 'self' blob: data:",
    `connect-src ${["'self'", ...connect].join(' ')}`,
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    'Content-Security-Policy': policy.join('; '),
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), microphone=(), geolocation=(), usb=(), serial=(), hid=(), midi=()',
    'Cache-Control': 'no-cache',
  };
}
