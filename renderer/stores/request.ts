/** The one way for panels and commands to ask the engine. */
import { AppError } from '../../electron/contract/errors';
import type { Params, Reply, RequestName } from '../../electron/contract/messages';
import { showFailure, type Task, useConnection } from './connection';
import { trackWork } from './idle';

export interface AskOptions {
  /** Aborting ends the request with code `cancelled`. */
  signal?: AbortSignal;
  /** Makes it a task: a progress bar with this label and a Cancel button once it takes longer than 300 ms. */
  label?: string;
}

let nextKey = 1;

/**
 * Sends a request and gives its reply.
 * @throws AppError: the engine's error, `engine-gone` where there is no link, `cancelled` after an abort.
 */
export async function ask<N extends RequestName>(
  name: N,
  params: Params<N>,
  { signal, label }: AskOptions = {},
): Promise<Reply<N>> {
  const { client } = useConnection.getState();
  if (!client) throw new AppError({ code: 'engine-gone', message: 'The window has no engine yet.', subject: name });
  const abort = new AbortController();
  const forward = () => abort.abort();
  if (signal?.aborted) abort.abort();
  signal?.addEventListener('abort', forward);
  const key = label ? addTask(label, forward) : null;
  const done = trackWork();
  try {
    return await client.request(name, params, {
      signal: abort.signal,
      ...(key !== null && { onProgress: (progress) => updateTask(key, progress) }),
    });
  } catch (thrown) {
    throw AppError.from(thrown);
  } finally {
    done();
    signal?.removeEventListener('abort', forward);
    if (key !== null) useConnection.setState(({ tasks }) => ({ tasks: tasks.filter((task) => task.key !== key) }));
  }
}

/** `ask` for actions of a person: a failure becomes the error card and the result null. */
export async function askOrShow<N extends RequestName>(
  name: N,
  params: Params<N>,
  options: AskOptions = {},
): Promise<Reply<N> | null> {
  try {
    return await ask(name, params, options);
  } catch (thrown) {
    showFailure(AppError.from(thrown).toData());
    return null;
  }
}

function addTask(label: string, cancel: () => void): number {
  const key = nextKey++;
  const task: Task = { key, label, done: 0, total: 0, startedAt: performance.now(), cancel };
  useConnection.setState(({ tasks }) => ({ tasks: [...tasks, task] }));
  return key;
}

function updateTask(key: number, progress: { label: string; done: number; total: number }): void {
  const { label, done, total } = progress;
  useConnection.setState(({ tasks }) => ({
    tasks: tasks.map((task) => (task.key === key ? { ...task, label: label || task.label, done, total } : task)),
  }));
}
