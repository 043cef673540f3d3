/** `moescope://app/`: the window's own origin. The one place that knows how the releases of Electron serve a scheme. */
import type { Protocol } from 'electron';

export const scheme = 'moescope';
export const windowUrl = `${scheme}://app/index.html`;

/** An answer to one request for a file of the window. */
export interface SchemeAnswer {
  status: number;
  headers: Record<string, string>;
  bytes: Buffer;
}
export type AnswerScheme = (url: string, method: string) => Promise<SchemeAnswer>;

/** The parts of Electron's `protocol` that are used; `handle` came with 25, the other is deprecated since. */
export type SchemeProtocol = Pick<Protocol, 'registerSchemesAsPrivileged'> &
  Partial<Pick<Protocol, 'handle' | 'registerBufferProtocol'>>;

/** Before `ready`: makes the scheme a secure origin with relative addresses. It never bypasses the CSP. */
export function declareScheme(protocol: SchemeProtocol): void {
  protocol.registerSchemesAsPrivileged([
    {
      scheme,
      privileges: { standard: true, secure: true, supportFetchAPI: true, corsEnabled: false, bypassCSP: false },
    },
  ]);
}

/** After `ready`: answers the scheme's requests. */
export function serveScheme(protocol: SchemeProtocol, answer: AnswerScheme): void {
  if (protocol.handle !== undefined) {
    // Not by its name: code for the main process must not count on it, since Electron 22 has no such class.
    const WebResponse = globalThis.Response;
    protocol.handle(scheme, async ({ url, method }) => {
      const { status, headers, bytes } = await answer(url, method);
      return new WebResponse(new Uint8Array(bytes), { status, headers });
    });
    return;
  }
  protocol.registerBufferProtocol?.(scheme, ({ url, method }, respond) => {
    answer(url, method).then(
      ({ status, headers, bytes }) =>
        respond({
          statusCode: status,
          headers,
          mimeType: (headers['Content-Type'] ?? '').split(';')[0] ?? '',
          data: bytes,
        }),
      // net::ERR_FAILED
      () => respond({ error: -2 }),
    );
  });
}

/** Whether an address belongs to the window's origin. Parsed, never compared by prefix. */
export function isWindowOrigin(address: string): boolean {
  try {
    const { protocol, host, username, password } = new URL(address);
    return protocol === `${scheme}:` && host === 'app' && username === '' && password === '';
  } catch {
    return false;
  }
}

/**
 * Answers from the window's bundle.
 * @param read the file of a URL path, undefined if there is none.
 * @param headers of every answer.
 */
export function bundleAnswers(
  read: (path: string) => Promise<{ bytes: Buffer; type: string } | undefined>,
  headers: Record<string, string>,
): AnswerScheme {
  const refuse = (status: number, why: string): SchemeAnswer => ({
    status,
    headers: { ...headers, 'Content-Type': 'text/plain; charset=utf-8' },
    bytes: Buffer.from(`${why}\n`),
  });
  return async (url, method) => {
    if (method !== 'GET' && method !== 'HEAD') return refuse(405, 'Only GET and HEAD are answered.');
    if (!isWindowOrigin(url)) return refuse(404, 'There is no such file.');
    const file = await read(new URL(url).pathname);
    if (file === undefined) return refuse(404, 'There is no such file.');
    return { status: 200, headers: { ...headers, 'Content-Type': file.type }, bytes: file.bytes };
  };
}
