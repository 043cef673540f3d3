/** Draws the timeline on a canvas: tokens (log), share of kernels, longest time, marks. One pass over pixel columns. */
import type { Timeline } from '../../../electron/contract/batch';
import { kernels } from '../../../electron/contract/layer';
import { formatCount } from '../../format/numbers';
import { tokenValue } from '../../theme/palette';
import { batchToX, type Range, type TokenScale, ticks, tokensToY } from './geometry';

export interface Lanes {
  width: number;
  height: number;
  /** pixels at the left for the names of the lanes */
  gutter: number;
  tokens: TokenScale;
  share: { top: number; height: number };
  time: { top: number; height: number };
  axis: { top: number; height: number };
}

export const gutter = 62;

/** Divides the height: tokens half, times a third, a thin strip of kernels between, the axis below. */
export function lanesOf(width: number, height: number, maxTokens: number): Lanes {
  const axis = 16;
  const free = Math.max(20, height - axis - 8 - 14);
  const tokens = Math.round(free * 0.6);
  return {
    width,
    height,
    gutter,
    tokens: { top: 6, height: tokens, max: maxTokens },
    share: { top: tokens + 10, height: 8 },
    time: { top: tokens + 22, height: free - tokens },
    axis: { top: height - axis, height: axis },
  };
}

export interface Scene {
  lanes: Lanes;
  range: Range;
  /** buckets of the last answer, which may be of another range while the next one is under way */
  timeline: Timeline | null;
  total: number;
  selected: number | null;
  /** leaves the times out: they differ between two runs */
  hideTimes: boolean;
  /** last batch visible in a replay; null when live */
  position: number | null;
}

/** Colours and fonts of the theme, read once per theme. */
export interface Style {
  kernel: string[];
  line: string;
  faint: string;
  text: string;
  accent: string;
  error: string;
  bar: string;
  font: string;
}

export function readStyle(): Style {
  return {
    kernel: kernels.map((kernel) => tokenValue(`--kernel-${kernel}`)),
    line: tokenValue('--line-strong'),
    faint: tokenValue('--line'),
    text: tokenValue('--text-3'),
    accent: tokenValue('--accent'),
    error: tokenValue('--error'),
    bar: tokenValue('--text-3'),
    font: '10px "JetBrains Mono"',
  };
}

export function paintTimeline(context: CanvasRenderingContext2D, scene: Scene, style: Style): void {
  const { lanes, timeline } = scene;
  context.clearRect(0, 0, lanes.width, lanes.height);
  paintGrid(context, scene, style);
  context.save();
  context.beginPath();
  context.rect(lanes.gutter, 0, lanes.width - lanes.gutter, lanes.height);
  context.clip();
  if (timeline) paintColumns(context, scene, timeline, style);
  paintMarks(context, scene, style);
  context.restore();
}

function paintGrid(
  context: CanvasRenderingContext2D,
  { lanes, range, timeline, hideTimes }: Scene,
  style: Style,
): void {
  context.font = style.font;
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  const every = lanes.tokens.height < 70 ? 4 : 2;
  for (let power = 0; 2 ** power <= lanes.tokens.max; power += every) {
    const y = Math.round(tokensToY(2 ** power, lanes.tokens)) + 0.5;
    line(context, lanes.gutter, y, lanes.width, y, style.faint);
    context.fillStyle = style.text;
    context.fillText(String(2 ** power), lanes.gutter - 6, y);
  }
  if (timeline && !hideTimes) {
    const times = timeScale(timeline);
    for (let decade = times.least * 10; decade <= times.most; decade *= 10) {
      const y = Math.round(lanes.time.top + lanes.time.height * (1 - timeShare(decade, times))) + 0.5;
      line(context, lanes.gutter, y, lanes.width, y, style.faint);
      context.fillStyle = style.text;
      context.fillText(decade >= 1000 ? `${decade / 1000} ms` : `${decade} us`, lanes.gutter - 6, y);
    }
  }
  line(context, lanes.gutter, lanes.axis.top + 0.5, lanes.width, lanes.axis.top + 0.5, style.line);
  const width = lanes.width - lanes.gutter;
  context.textAlign = 'left';
  for (const tick of ticks(range, width / 110)) {
    const x = Math.round(lanes.gutter + batchToX(tick, range, width)) + 0.5;
    line(context, x, 0, x, lanes.axis.top + 4, style.faint);
    context.fillStyle = style.text;
    context.fillText(formatCount(tick), x + 3, lanes.axis.top + 9);
  }
}

function paintColumns(context: CanvasRenderingContext2D, scene: Scene, timeline: Timeline, style: Style): void {
  const { lanes, range, hideTimes } = scene;
  const width = lanes.width - lanes.gutter;
  const perColumn = (timeline.last - timeline.first + 1) / timeline.columns;
  const times = timeScale(timeline);
  const longest = hideTimes ? 0 : times.most;
  const floor = lanes.time.top + lanes.time.height;
  for (let column = 0; column < timeline.columns; column++) {
    const batch = timeline.first + column * perColumn;
    const left = lanes.gutter + batchToX(batch, range, width);
    const right = lanes.gutter + batchToX(batch + perColumn, range, width);
    if (right < lanes.gutter || left > lanes.width) continue;
    // a hair of space between batches once they are wide enough to be told apart
    const wide = Math.max(1, right - left - (right - left > 4 ? 1 : 0));
    let all = 0;
    let most = 0;
    for (let kernel = 0; kernel < kernels.length; kernel++) {
      const count = timeline.counts[column * kernels.length + kernel]!;
      all += count;
      if (count > timeline.counts[column * kernels.length + most]!) most = kernel;
    }
    if (all === 0) continue;
    const high = tokensToY(timeline.tokensMax[column]!, lanes.tokens);
    const low = tokensToY(timeline.tokensMin[column]!, lanes.tokens);
    context.fillStyle = style.kernel[most]!;
    context.fillRect(left, high - 1.5, wide, Math.max(3, low - high + 3));
    let x = left;
    for (let kernel = 0; kernel < kernels.length; kernel++) {
      const part = (timeline.counts[column * kernels.length + kernel]! / all) * wide;
      if (part === 0) continue;
      context.fillStyle = style.kernel[kernel]!;
      context.fillRect(x, lanes.share.top, part, lanes.share.height);
      x += part;
    }
    const tall = longest > 0 ? timeShare(timeline.microsecondsMax[column]!, times) * lanes.time.height : 0;
    context.fillStyle = style.kernel[most]!;
    context.globalAlpha = 0.75;
    context.fillRect(left, floor - tall, wide, tall);
    context.globalAlpha = 1;
    if (timeline.errors[column]! > 0) {
      context.fillStyle = style.error;
      context.fillRect(left, 0, Math.max(2, wide), 4);
    }
  }
}

function paintMarks(context: CanvasRenderingContext2D, scene: Scene, style: Style): void {
  const { lanes, range, selected, position, total } = scene;
  const width = lanes.width - lanes.gutter;
  const perBatch = width / (range.last - range.first + 1);
  if (selected !== null) {
    const x = lanes.gutter + batchToX(selected, range, width);
    context.strokeStyle = style.accent;
    context.lineWidth = 1;
    if (perBatch > 4) context.strokeRect(Math.round(x) - 0.5, 0.5, Math.round(perBatch), lanes.axis.top - 1);
    else line(context, Math.round(x) + 0.5, 0, Math.round(x) + 0.5, lanes.axis.top, style.accent);
  }
  if (position !== null && position < total - 1) {
    const x = Math.round(lanes.gutter + batchToX(position + 1, range, width)) + 0.5;
    line(context, x, 0, x, lanes.height, style.text);
  }
}

function line(context: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number, color: string): void {
  context.strokeStyle = color;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

/** Microseconds from a decade below the quickest to the slowest, on a log scale: one slow batch must not flatten the others. */
interface TimeScale {
  least: number;
  most: number;
}

function timeScale({ microsecondsMax }: Timeline): TimeScale {
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  for (const time of microsecondsMax) {
    if (time > most) most = time;
    if (time > 0 && time < least) least = time;
  }
  return { least: most > 0 ? 10 ** Math.floor(Math.log10(least) - 0.01) : 1, most };
}

function timeShare(time: number, { least, most }: TimeScale): number {
  return time <= least || most <= least ? 0 : Math.log(time / least) / Math.log(most / least);
}
