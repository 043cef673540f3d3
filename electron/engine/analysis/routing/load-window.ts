/** Load of the experts over a range of batches, from whichever source. */
import { AppError } from '../../../contract/errors';
import type { RoutingWindow } from '../../../contract/routing';
import type { LoadProgress, Source } from '../../run/source';

export interface WindowRequest {
  first: number;
  last: number;
  /** most cells in each direction */
  columns: number;
  rows: number;
}

/** Batches first..last, cut to those that may be seen. A recording's routing is read once, as far as it is looked at. */
export async function loadWindow(
  source: Source,
  request: WindowRequest,
  progress: LoadProgress,
): Promise<RoutingWindow> {
  const { columns, rows } = request;
  if (!Number.isFinite(request.first) || !Number.isFinite(request.last)) {
    throw new AppError({
      code: 'bad-option',
      message: 'The range of a routing window must be finite.',
      subject: 'first, last',
      found: `${request.first}, ${request.last}`,
    });
  }
  const first = Math.max(0, Math.floor(request.first));
  const last = Math.min(source.visible() - 1, Math.max(first, Math.floor(request.last)));
  const history = await source.load(last + 1, progress);
  return { ...(await history.window({ first, last, columns, rows })), experts: source.shape.experts };
}
