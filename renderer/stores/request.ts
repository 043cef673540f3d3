/** The one way for panels and commands to ask the engine; counts what is under way, so that idle() can wait for it. */
import { AppError } from '../../electron/contract/errors';
import type { Params, Reply, RequestName } from '../../electron/contract/messages';
import { showFailure, type Task, useConnection } from './connection';

export interface AskOptions {
  signal?: AbortSignal;
  /** Makes it a task: a progress bar with this label and a Cancel button once it takes longer than 300 ms. */
  label?: string;
}

let pending = 0;
let nextKey = 1;

/** Requests sent and not yet answered, over the whole window. */
export function pendingRequests(): number {
  return pending;
}

/**
 * Sends a request and gives its reply.
 * @throws AppError: the engine's error, `engine-gone` where there is no link, `cancelled` after an abort.
 */
export async function ask<N extends RequestName>(
  name: N,
  params: Params<N>,
  options: AskOptions = {},
): Promise<Reply<N>> {
  const { client, reason } = useConnection.getState();
  if (!client) {
    throw new AppError({
      code: 'engine-gone',
      message: reason || 'The engine is not connected yet.',
      subject: name,
      remedy: 'Restart the engine from the status bar or with the command "Restart engine".',
    });
  }
  const abort = new AbortController();
  const forward = () => abort.abort();
  if (options.signal?.aborted) abort.abort();
  options.signal?.addEventListener('abort', forward);
  const key = options.label ? addTask(options.label, forward) : null;
  pending++;
  try {
    return await client.request(name, params, {
      signal: abort.signal,
      onId: (request) => key !== null && updateTask(key, { request }),
    });
  } catch (thrown) {
    throw AppError.from(thrown);
  } finally {
    pending--;
    options.signal?.removeEventListener('abort', forward);
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
  const task: Task = { key, request: null, label, done: 0, total: 0, startedAt: performance.now(), cancel };
  useConnection.setState(({ tasks }) => ({ tasks: [...tasks, task] }));
  return key;
}

/** Changes the fields of one task. */
export function updateTask(key: number, change: Partial<Task>): void {
  useConnection.setState(({ tasks }) => ({
    tasks: tasks.map((task) => (task.key === key ? { ...task, ...change } : task)),
  }));
}
