/** Who may talk to the web host: checks of Host, Origin and token, and a limit on the rate of messages. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { webProtocol, webTokenPrefix } from '../contract/bridge';

/** 192 random bits, safe in a URL and in a WebSocket subprotocol. */
export const newToken = (): string => randomBytes(24).toString('base64url');

/** Compared as hashes: in the same time wherever they differ, and whatever their lengths. */
export function sameToken(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/**
 * Whether a Host header names this machine. Any port: behind a forwarded port (ssh -L) it is not ours. A page of another
 * site that made its name point here (DNS rebinding) still sends its own name.
 */
export function isLoopbackHost(host: string | undefined): host is string {
  return host !== undefined && /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/.test(host);
}

/** Whether the page that opens a WebSocket is the one that this server served: its origin is exactly the Host it called. */
export const isOwnOrigin = (origin: string | undefined, host: string): boolean => origin === `http://${host}`;

/** The token in a Sec-WebSocket-Protocol header, which must also name our protocol; undefined otherwise. */
export function tokenOf(protocols: string | undefined): string | undefined {
  const names = (protocols ?? '').split(',').map((name) => name.trim());
  if (!names.includes(webProtocol)) return undefined;
  return names.find((name) => name.startsWith(webTokenPrefix))?.slice(webTokenPrefix.length);
}

/**
 * A token bucket: `burst` messages at once, `perSecond` on average.
 * @returns a function that takes one and says whether it was there.
 */
export function rateLimit(burst: number, perSecond: number, now: () => number = Date.now): () => boolean {
  let left = burst;
  let last = now();
  return () => {
    const time = now();
    left = Math.min(burst, left + ((time - last) / 1000) * perSecond);
    last = time;
    if (left < 1) return false;
    left--;
    return true;
  };
}
