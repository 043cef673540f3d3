/** A view as data: what undo goes back to and what a deep link carries. Written as a query string, read with every field checked. */
import { type Side, sides } from '../../electron/contract/batch';
import { paths } from '../../electron/contract/layer';
import { selectBatch, useSelection } from './selection';
import { type BatchFilters, noFilters, useView } from './view';

export interface Snapshot {
  panel: string;
  batch: number | null;
  tensor: string | null;
  element: { plane: number; row: number; column: number } | null;
  /** batches first..last of the timeline; null = follows the newest */
  range: { first: number; last: number } | null;
  filters: BatchFilters;
  tolerance: { rtol: number; atol: number };
  pair: { a: Side; b: Side };
}

/** The view as it is now. */
export function captureView(): Snapshot {
  const { panel, timeline, filters, tolerance, pair } = useView.getState();
  const { batch, tensor, element } = useSelection.getState();
  const range = timeline.follow ? null : { first: timeline.first, last: timeline.last };
  return { panel, batch, tensor, element, range, filters, tolerance, pair };
}

/** Makes the view what the snapshot says; what it leaves out stays. */
export function restoreView(snapshot: Partial<Snapshot>): void {
  const { timeline } = useView.getState();
  const { panel, filters, tolerance, pair, range } = snapshot;
  useView.setState({
    ...(panel !== undefined && { panel }),
    ...(filters && { filters }),
    ...(tolerance && { tolerance }),
    ...(pair && { pair }),
    ...(range !== undefined && { timeline: range ? { ...range, follow: false } : { ...timeline, follow: true } }),
  });
  if (snapshot.tensor !== undefined) useSelection.setState({ tensor: snapshot.tensor, element: null });
  if (snapshot.element !== undefined) useSelection.setState({ element: snapshot.element });
  if (snapshot.batch !== undefined) void selectBatch(snapshot.batch);
}

const linkKeys = ['panel', 'batch', 'tensor', 'element', 'range', 'filter', 'tol', 'pair'];

/** The snapshot as fields of an address; whatever else the address carries is left alone. */
export function toLink(snapshot: Snapshot, into = new URLSearchParams()): URLSearchParams {
  for (const key of linkKeys) into.delete(key);
  const { panel, batch, tensor, element, range, filters, tolerance, pair } = snapshot;
  into.set('panel', panel);
  if (batch !== null) into.set('batch', String(batch));
  if (tensor !== null) into.set('tensor', tensor);
  if (element) into.set('element', `${element.plane},${element.row},${element.column}`);
  if (range) into.set('range', `${Math.round(range.first)},${Math.round(range.last)}`);
  const { path, minTokens, maxTokens, minNrmse, failedOnly } = filters;
  const filter = [path, minTokens, maxTokens, minNrmse, failedOnly ? 1 : null].map((part) => part ?? '').join(',');
  if (filter !== ',,,,') into.set('filter', filter);
  into.set('tol', `${tolerance.rtol},${tolerance.atol}`);
  into.set('pair', `${pair.a},${pair.b}`);
  return into;
}

/** Reads such fields; anything malformed is left out, since a link comes from anywhere. */
export function fromLink(fields: URLSearchParams): Partial<Snapshot> {
  const snapshot: Partial<Snapshot> = {};
  const panel = fields.get('panel');
  if (panel && /^[a-z-]{1,32}$/.test(panel)) snapshot.panel = panel;
  const batch = numbers(fields.get('batch'), 1, true);
  if (batch) snapshot.batch = batch[0]!;
  const tensor = fields.get('tensor');
  if (tensor && tensor.length <= 256) snapshot.tensor = tensor;
  const element = numbers(fields.get('element'), 3, true);
  if (element) snapshot.element = { plane: element[0]!, row: element[1]!, column: element[2]! };
  const range = numbers(fields.get('range'), 2, true);
  if (range && range[1]! > range[0]!) snapshot.range = { first: range[0]!, last: range[1]! };
  const tolerance = numbers(fields.get('tol'), 2, false);
  if (tolerance) snapshot.tolerance = { rtol: tolerance[0]!, atol: tolerance[1]! };
  const [a, b] = (fields.get('pair') ?? '').split(',');
  const pair = { a: sides.find((side) => side === a), b: sides.find((side) => side === b) };
  if (pair.a && pair.b) snapshot.pair = { a: pair.a, b: pair.b };
  const filter = (fields.get('filter') ?? '').split(',');
  if (filter.length === 5) snapshot.filters = readFilters(filter);
  return snapshot;
}

function readFilters([path, minTokens, maxTokens, minNrmse, failed]: string[]): BatchFilters {
  const number = (text: string | undefined) => numbers(text ?? '', 1, false)?.[0] ?? null;
  return {
    ...noFilters,
    path: paths.find((known) => known === path) ?? null,
    minTokens: number(minTokens),
    maxTokens: number(maxTokens),
    minNrmse: number(minNrmse),
    failedOnly: failed === '1',
  };
}

function numbers(text: string | null, count: number, whole: boolean): number[] | null {
  if (!text) return null;
  const parts = text.split(',').map(Number);
  const good = (part: number) => Number.isFinite(part) && part >= 0 && (!whole || Number.isInteger(part));
  return parts.length === count && parts.every(good) ? parts : null;
}
