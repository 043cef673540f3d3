/** A request whose reply a panel shows. */
import { useEffect, useState } from 'react';
import { AppError, type AppErrorData } from '../../electron/contract/errors';
import type { Params, Reply, RequestName } from '../../electron/contract/messages';
import { ask } from './request';

export interface Requested<T> {
  /** the last reply; kept while the next one is under way, so that the picture does not blink */
  data: T | null;
  error: AppErrorData | null;
  loading: boolean;
}

/**
 * Asks whenever the parameters change in value, cancelling the request before; null parameters ask nothing.
 * @param version change it to ask again with the same parameters
 * @param subject what the reply is about: one about another subject is not shown while the next is under way
 */
export function useRequest<N extends RequestName>(
  name: N,
  params: Params<N> | null,
  version: number | string = 0,
  subject = '',
): Requested<Reply<N>> {
  const nothing = { data: null, error: null, loading: params !== null, subject };
  const [state, setState] = useState<Requested<Reply<N>> & { subject: string }>(nothing);
  const text = params === null ? null : JSON.stringify(params);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `version` asks again on purpose
  useEffect(() => {
    if (text === null) {
      setState({ data: null, error: null, loading: false, subject });
      return;
    }
    const abort = new AbortController();
    setState((before) => ({ ...(before.subject === subject ? before : nothing), loading: true }));
    ask(name, JSON.parse(text) as Params<N>, { signal: abort.signal }).then(
      (data) => abort.signal.aborted || setState({ data, error: null, loading: false, subject }),
      (thrown) =>
        abort.signal.aborted ||
        setState({ data: null, error: AppError.from(thrown).toData(), loading: false, subject }),
    );
    return () => abort.abort();
  }, [name, text, version]);
  return state.subject === subject ? state : nothing;
}
