/** Errors are data with a code; no code ever matches on a message. */
import { z } from 'zod';

export const errorCodes = [
  // usage (exit 2)
  'usage',
  'bad-option',
  // bad input (exit 3)
  'file-not-found',
  'file-unreadable',
  'file-truncated',
  'bad-header',
  'out-of-bounds',
  'overlapping-tensors',
  'missing-tensor',
  'missing-expert',
  'wrong-dtype',
  'wrong-shape',
  'bad-scale',
  'bad-config',
  'unknown-quantization',
  'unsupported-shape',
  'not-moe',
  'bad-permutation',
  'bad-routing',
  'session-newer',
  'session-damaged',
  'session-incomplete',
  'bad-rules',
  // cannot run here (exit 4)
  'unsupported',
  'threshold-unsupported',
  'provider-load',
  'no-device',
  'device-lost',
  'out-of-memory',
  'disk-full',
  'engine-gone',
  'unauthorized',
  'busy',
  // the user's own doing, or ours
  'cancelled',
  'wrong-state',
  'internal',
] as const;
export type ErrorCode = (typeof errorCodes)[number];

/** What crosses a process border when something fails. `message` is one sentence; `remedy` says what to do. */
export const AppErrorSchema = z.object({
  code: z.enum(errorCodes),
  message: z.string(),
  /** file, tensor or option concerned */
  subject: z.string().optional(),
  expected: z.string().optional(),
  found: z.string().optional(),
  remedy: z.string().optional(),
});
export type AppErrorData = z.infer<typeof AppErrorSchema>;

/** What a file says may be of any length; an error stays one that people can read. In characters. */
const longestText = 4000;
const readable = (text: string) => (text.length > longestText ? `${text.slice(0, longestText)}…` : text);

/** The same as a throwable. */
export class AppError extends Error implements AppErrorData {
  readonly code: ErrorCode;
  readonly subject?: string;
  readonly expected?: string;
  readonly found?: string;
  readonly remedy?: string;

  constructor(data: AppErrorData) {
    super(readable(data.message));
    this.name = 'AppError';
    this.code = data.code;
    if (data.subject !== undefined) this.subject = readable(data.subject);
    if (data.expected !== undefined) this.expected = readable(data.expected);
    if (data.found !== undefined) this.found = readable(data.found);
    if (data.remedy !== undefined) this.remedy = readable(data.remedy);
  }

  toData(): AppErrorData {
    const { code, message, subject, expected, found, remedy } = this;
    return {
      code,
      message,
      ...(subject !== undefined && { subject }),
      ...(expected !== undefined && { expected }),
      ...(found !== undefined && { found }),
      ...(remedy !== undefined && { remedy }),
    };
  }

  /** Any thrown value as an AppError; an addon error keeps its code, anything unknown becomes `internal`. */
  static from(thrown: unknown): AppError {
    if (thrown instanceof AppError) return thrown;
    const candidate = thrown as { code?: unknown; message?: unknown; details?: Record<string, unknown> } | null;
    const code = errorCodes.find((known) => known === candidate?.code) ?? 'internal';
    const message = typeof candidate?.message === 'string' ? candidate.message : String(thrown);
    const data: AppErrorData = { code, message };
    for (const key of ['subject', 'expected', 'found', 'remedy'] as const) {
      const value = candidate?.details?.[key] ?? (thrown as Record<string, unknown> | null)?.[key];
      if (typeof value === 'string') data[key] = value;
    }
    return new AppError(data);
  }
}

/** Exit codes of the command line (README): 1 is for a check that failed and carries no error. */
export function exitCodeOf(code: ErrorCode): 2 | 3 | 4 | 5 {
  const index = errorCodes.indexOf(code);
  if (index < errorCodes.indexOf('file-not-found')) return 2;
  if (index < errorCodes.indexOf('unsupported')) return 3;
  if (index < errorCodes.indexOf('cancelled')) return 4;
  return 5;
}
