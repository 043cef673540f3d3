/**
 * Numbered steps from every older format to the current one. A step changes the manifest of format `from` into format
 * `from + 1`; formats are counted without gaps (as tldraw's store migrations), and a newer session is refused.
 */
import { AppError } from '../../contract/errors';
import { SESSION_FORMAT } from '../../contract/session';

export interface Migration {
  from: number;
  /** what changed, one sentence */
  change: string;
  manifest(manifest: Record<string, unknown>): Record<string, unknown>;
}

/** Format 1 is the first; the next change of format adds the step `from: 1` here. */
export const migrations: readonly Migration[] = [];

/** Throws `internal` when the steps leave out a number on the way to `current`. */
export function checkMigrations(steps: readonly Migration[], current: number): void {
  const expected = Array.from({ length: steps.length }, (_, index) => current - steps.length + index);
  if (steps.every((step, index) => step.from === expected[index])) return;
  throw new AppError({
    code: 'internal',
    message: 'Session migrations are not numbered without gaps.',
    expected: expected.join(', '),
    found: steps.map(({ from }) => from).join(', '),
  });
}

/** Throws `session-damaged` without a format number, `session-newer` for one above `current`. */
export function migrateManifest(
  manifest: Record<string, unknown>,
  path: string,
  steps: readonly Migration[] = migrations,
  current: number = SESSION_FORMAT,
): Record<string, unknown> {
  checkMigrations(steps, current);
  const { format } = manifest;
  const first = steps[0]?.from ?? current;
  if (typeof format !== 'number' || !Number.isInteger(format) || format < first) {
    throw new AppError({
      code: 'session-damaged',
      message: `${path} has no usable format number.`,
      subject: path,
      expected: `format ${first} to ${current}`,
      found: JSON.stringify(format) ?? 'nothing',
    });
  }
  if (format > current) {
    throw new AppError({
      code: 'session-newer',
      message: `The session was recorded in format ${format}; this MoEscope reads up to format ${current}.`,
      subject: path,
      expected: `format ${current} or older`,
      found: `format ${format}`,
      remedy: 'Open it with the version of MoEscope that recorded it, or a newer one.',
    });
  }
  let migrated = manifest;
  for (const step of steps) if (step.from >= format) migrated = { ...step.manifest(migrated), format: step.from + 1 };
  return migrated;
}
