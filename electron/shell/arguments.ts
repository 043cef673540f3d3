/** Command line of the window: `moescope [CKPT | DIR.moesession] [--threshold N] [--contract C] [--demo-batches N]`. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { AppError } from '../contract/errors';
import { type Contract, contracts } from '../contract/layer';

/** Also what a second instance hands over to the first, which does not trust it more than any other input. */
export const ArgumentsSchema = z.object({
  /** absolute; absent opens the empty window */
  path: z.string().optional(),
  threshold: z.number().int().min(0).optional(),
  contract: z.enum(contracts).optional(),
  /** batches to run and print at the start */
  demoBatches: z.number().int().min(0),
  /** test mode: software GL, fixed size, settings of its own, several instances */
  test: z.boolean(),
  /** content area, CSS pixels; absent: as it was last */
  size: z.object({ width: z.number().int(), height: z.number().int() }).optional(),
});
export type Arguments = z.infer<typeof ArgumentsSchema>;

const testSize = { width: 1280, height: 800 };

interface Option {
  name: string;
  takesValue: boolean;
}
const options: Option[] = [
  { name: '--threshold', takesValue: true },
  { name: '--contract', takesValue: true },
  { name: '--demo-batches', takesValue: true },
  { name: '--moescope-test', takesValue: false },
  { name: '--window-size', takesValue: true },
];

/**
 * Reads our options and leaves the others to Chromium, which takes any.
 * @param argv process.argv.
 * @param app the application's folder: in development it is the first plain argument, and not something to open.
 * @param cwd relative paths are relative to it.
 * @throws AppError `bad-option` or `usage`.
 */
export function parseArguments(argv: readonly string[], app: string, cwd: string): Arguments {
  const given = new Map<string, string>();
  const plain: string[] = [];
  for (let i = 1; i < argv.length; i++) {
    const argument = argv[i]!;
    const [name = '', ...rest] = argument.split('=');
    const option = options.find((known) => known.name === name);
    if (option === undefined) {
      if (!argument.startsWith('-')) plain.push(argument);
    } else if (!option.takesValue) given.set(name, '');
    else if (rest.length > 0) given.set(name, rest.join('='));
    else given.set(name, argv[++i] ?? '');
  }
  if (plain[0] !== undefined && resolve(cwd, plain[0]) === app) plain.shift();
  if (plain.length > 1) {
    throw new AppError({
      code: 'usage',
      message: 'MoEscope opens one checkpoint or session at a time.',
      expected: 'one path',
      found: plain.join(', '),
    });
  }
  const test = given.has('--moescope-test');
  return {
    path: plain[0] === undefined ? undefined : resolve(cwd, plain[0]),
    threshold: wholeNumber('--threshold', given),
    contract: contractOf(given),
    // A test starts the run itself, so that it sees every batch.
    demoBatches: wholeNumber('--demo-batches', given) ?? (test ? 0 : 8),
    test,
    size: sizeOf(given) ?? (test ? testSize : undefined),
  };
}

function bad(subject: string, expected: string, found: string): AppError {
  return new AppError({ code: 'bad-option', message: `${subject} is not valid.`, subject, expected, found });
}

function wholeNumber(name: string, given: Map<string, string>): number | undefined {
  const text = given.get(name);
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw bad(name, 'a whole number, 0 or more', text);
  return Number(text);
}

function contractOf(given: Map<string, string>): Contract | undefined {
  const text = given.get('--contract');
  const found = contracts.find((contract) => contract === text);
  if (text !== undefined && found === undefined) throw bad('--contract', contracts.join(', '), text);
  return found;
}

function sizeOf(given: Map<string, string>): Arguments['size'] {
  const text = given.get('--window-size');
  if (text === undefined) return undefined;
  // "WxH" is ours; Chromium's own switch of this name has a comma.
  const [, width, height] = /^(\d{3,5})[x,](\d{3,5})$/.exec(text) ?? [];
  if (width === undefined || height === undefined) throw bad('--window-size', 'WIDTHxHEIGHT in pixels', text);
  return { width: Number(width), height: Number(height) };
}
