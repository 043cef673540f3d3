/** The part of a view that a panel keeps for itself, as fields of the address: a copied link brings it back. */
import type { StoreApi } from 'zustand';
import type { Range } from './range';
import type { View } from './viewport';

export interface AddressPart<T> {
  /** fields of the address that belong to this store alone */
  keys: readonly string[];
  /** sets the fields that differ from the beginning */
  write: (state: T, fields: URLSearchParams) => void;
  /** what the fields say; malformed ones are left out, since a link comes from anywhere */
  read: (fields: URLSearchParams) => Partial<T>;
}

const SETTLE_MS = 250;

/** Takes the state from the address now and at every change of it, and writes the state there when it has settled. */
export function followAddress<T>(store: Pick<StoreApi<T>, 'setState' | 'subscribe'>, part: AddressPart<T>): void {
  if (typeof window === 'undefined') return;
  const fields = () => new URLSearchParams(window.location.hash.slice(1));
  const take = () => store.setState(part.read(fields()));
  take();
  window.addEventListener('hashchange', take);
  let timer: ReturnType<typeof setTimeout> | undefined;
  store.subscribe((state) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const next = fields();
      for (const key of part.keys) next.delete(key);
      part.write(state, next);
      window.history.replaceState(window.history.state, '', `#${next}`);
    }, SETTLE_MS);
  });
}

/** `count` finite numbers separated by commas, or null. */
export function numbersOf(text: string | null, count: number): number[] | null {
  const parts = text?.split(',').map(Number) ?? [];
  return parts.length === count && text !== '' && parts.every(Number.isFinite) ? parts : null;
}

const short = (value: number) => Number(value.toPrecision(7));

export const viewText = ({ row, column, rowPx, columnPx }: View): string =>
  [row, column, rowPx, columnPx].map(short).join(',');

export function viewOf(text: string | null): View | null {
  const [row, column, rowPx, columnPx] = numbersOf(text, 4) ?? [];
  if (row === undefined || column === undefined || !rowPx || !columnPx) return null;
  return row >= 0 && column >= 0 && rowPx > 0 && columnPx > 0 ? { row, column, rowPx, columnPx } : null;
}

export const rangeText = ({ lo, hi }: Range): string => `${short(lo)},${short(hi)}`;

export function rangeOf(text: string | null): Range | null {
  const [lo, hi] = numbersOf(text, 2) ?? [];
  return lo !== undefined && hi !== undefined && lo <= hi ? { lo, hi } : null;
}
