/** Subject: how things are looked at: theme, open panel, timeline range, filters, tolerance. Nothing here changes the engine. */
import { create } from 'zustand';
import type { Side } from '../../electron/contract/batch';
import type { Path } from '../../electron/contract/layer';

export type Theme = 'dark' | 'light';

/** Batches first..last (inclusive, may be fractional while zooming); `follow` keeps the newest at the right edge. */
export interface TimelineRange {
  first: number;
  last: number;
  follow: boolean;
}

/** Which batches the tables show; null = no limit. */
export interface BatchFilters {
  path: Path | null;
  minTokens: number | null;
  maxTokens: number | null;
  minNrmse: number | null;
  failedOnly: boolean;
}

export interface ViewState {
  theme: Theme;
  /** hides what differs between two runs (times, rates) for pictures that are compared */
  screenshotMode: boolean;
  /** id of the panel in front */
  panel: string;
  detailsOpen: boolean;
  /** height of the timeline, CSS pixels */
  timelineHeight: number;
  timeline: TimelineRange;
  filters: BatchFilters;
  /** of Diff: an element passes iff |a - b| <= atol + rtol * |b| */
  tolerance: { rtol: number; atol: number };
  /** of Diff: which two answers are compared */
  pair: { a: Side; b: Side };
}

export const noFilters: BatchFilters = {
  path: null,
  minTokens: null,
  maxTokens: null,
  minNrmse: null,
  failedOnly: false,
};

const themeKey = 'moescope.theme';

function storedTheme(): Theme {
  try {
    return localStorage.getItem(themeKey) === 'light' ? 'light' : 'dark';
  } catch {
    return 'dark'; // storage is off or absent: the default theme
  }
}

export const useView = create<ViewState>(() => ({
  theme: storedTheme(),
  screenshotMode: false,
  panel: 'live',
  detailsOpen: true,
  timelineHeight: 190,
  timeline: { first: 0, last: 199, follow: true },
  filters: noFilters,
  tolerance: { rtol: 0.016, atol: 1e-5 },
  pair: { a: 'b12x', b: 'cutlass' },
}));

/** Changes the theme, shows it and remembers it. */
export function setTheme(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(themeKey, theme);
  } catch {
    // storage is off: the theme holds for this window
  }
  useView.setState({ theme });
}

/** Hides (or shows again) everything of class `volatile`. */
export function setScreenshotMode(on: boolean): void {
  document.documentElement.toggleAttribute('data-shot', on);
  useView.setState({ screenshotMode: on });
}

export function setFilters(change: Partial<BatchFilters>): void {
  useView.setState(({ filters }) => ({ filters: { ...filters, ...change } }));
}

export function setTolerance(change: Partial<ViewState['tolerance']>): void {
  useView.setState(({ tolerance }) => ({ tolerance: { ...tolerance, ...change } }));
}

export function setPair(change: Partial<ViewState['pair']>): void {
  useView.setState(({ pair }) => ({ pair: { ...pair, ...change } }));
}

export function setTimeline(change: Partial<TimelineRange>): void {
  useView.setState(({ timeline }) => ({ timeline: { ...timeline, ...change } }));
}
