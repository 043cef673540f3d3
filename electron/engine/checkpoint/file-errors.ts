/** File system failures as coded errors, and small files read with a limit. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { AppError, type ErrorCode } from '../../contract/errors';

const codes: Record<string, { code: ErrorCode; words: string; remedy: string }> = {
  ENOENT: { code: 'file-not-found', words: 'does not exist', remedy: 'Check the path.' },
  ENOTDIR: { code: 'file-not-found', words: 'lies below something that is not a folder', remedy: 'Check the path.' },
  ENOSPC: {
    code: 'disk-full',
    words: 'cannot be written: the disk is full',
    remedy: 'Free space, or write elsewhere.',
  },
  EDQUOT: {
    code: 'disk-full',
    words: 'cannot be written: the quota is used up',
    remedy: 'Free space, or write elsewhere.',
  },
  EFBIG: {
    code: 'disk-full',
    words: 'cannot be written: the file is larger than the system allows',
    remedy: 'Raise the limit (ulimit -f), or write elsewhere.',
  },
  EROFS: { code: 'file-unreadable', words: 'lies on a read-only file system', remedy: 'Write elsewhere.' },
  EACCES: { code: 'file-unreadable', words: 'may not be opened', remedy: 'Check its permissions.' },
  EPERM: { code: 'file-unreadable', words: 'may not be opened', remedy: 'Check its permissions.' },
  EISDIR: { code: 'file-unreadable', words: 'is a folder, not a file', remedy: 'Check the path.' },
};

/** A thrown file system error as an AppError that names the path; other errors pass through `AppError.from`. */
export function fileError(thrown: unknown, path: string): AppError {
  if (thrown instanceof AppError) return thrown;
  const system = (thrown as { code?: unknown; syscall?: unknown } | null) ?? {};
  if (typeof system.code !== 'string' || typeof system.syscall !== 'string') return AppError.from(thrown);
  const known = codes[system.code];
  if (known)
    return new AppError({ code: known.code, message: `${path} ${known.words}.`, subject: path, remedy: known.remedy });
  return new AppError({
    code: 'file-unreadable',
    message: `${path} could not be used: ${system.code} in ${system.syscall}.`,
    subject: path,
    found: system.code,
  });
}

/** Size of a regular file. A FIFO or a device is refused before it is opened, since opening one may wait for ever. */
export async function regularFileSize(path: string): Promise<number> {
  try {
    const info = await stat(path);
    if (info.isFile()) return info.size;
    throw new AppError({
      code: 'file-unreadable',
      message: `${path} is not a regular file.`,
      subject: path,
      expected: 'a regular file',
      found: info.isDirectory() ? 'a folder' : 'a device, socket or pipe',
      remedy: 'Check the path.',
    });
  } catch (thrown) {
    throw fileError(thrown, path);
  }
}

/**
 * Asked before long work whose result goes to `path`: the folder has to be there.
 * @throws AppError `file-not-found`, or `file-unreadable` when it is none or may not be looked at.
 */
export async function expectFolderFor(path: string): Promise<void> {
  const folder = dirname(resolve(path));
  let found: Awaited<ReturnType<typeof stat>>;
  try {
    found = await stat(folder);
  } catch (thrown) {
    const error = fileError(thrown, folder);
    if (error.code !== 'file-not-found') throw error;
    throw new AppError({
      code: 'file-not-found',
      message: `${path} cannot be written: the folder ${folder} does not exist.`,
      subject: path,
      remedy: 'Make the folder first, or write elsewhere.',
    });
  }
  if (found.isDirectory()) return;
  throw new AppError({
    code: 'file-unreadable',
    message: `${path} cannot be written: ${folder} is not a folder.`,
    subject: path,
    remedy: 'Write elsewhere.',
  });
}

/** Largest JSON file that is read whole: the index of a model with 200,000 tensors is about 25 MB. */
const jsonLimit = 256 * 1024 * 1024;

/**
 * JSON as Python writes it: its `json` module has NaN and Infinity, which configurations of state-space models hold
 * (`time_step_limit: [0.0, Infinity]`). NaN becomes null, that is: nothing was written.
 */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    if (!/NaN|Infinity/.test(text)) throw thrown;
    // A number beyond the range of a double is read as infinity. Text in quotes stays as it is.
    return JSON.parse(
      text.replace(/"(?:[^"\\]|\\.)*"|NaN|Infinity/g, (part) => ({ NaN: 'null', Infinity: '1e999' })[part] ?? part),
    );
  }
}

/**
 * A JSON object from a file.
 * @throws AppError `file-not-found`, `file-unreadable`, or `bad-config` when it is not a JSON object.
 */
export async function readJsonObject(path: string): Promise<Record<string, unknown>> {
  const size = await regularFileSize(path);
  const expected = 'a JSON object';
  if (size > jsonLimit) {
    throw new AppError({
      code: 'bad-config',
      message: `${path} is too large to be a configuration.`,
      subject: path,
      expected,
      found: `${size} bytes`,
    });
  }
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    throw fileError(thrown, path);
  }
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (thrown) {
    throw new AppError({
      code: 'bad-config',
      message: `${path} is not valid JSON: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      subject: path,
      expected,
      remedy: 'Copy the file again from where the checkpoint came from.',
    });
  }
  if (!isObject(value)) {
    throw new AppError({
      code: 'bad-config',
      message: `${path} holds no JSON object.`,
      subject: path,
      expected,
      found: Array.isArray(value) ? 'an array' : typeof value,
    });
  }
  return value;
}

/** Whether a parsed JSON value is an object (not null, not an array). */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
