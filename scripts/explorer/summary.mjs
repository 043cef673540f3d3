// Several runs as one line a goal: medians over all first looks and picks, the worst run for frames and memory.
import { round } from './window-probe.mjs';

/** For a plane of 1e8 cells and software GL. */
const goals = {
  firstTileMs: { limit: 200, better: 'below', unit: 'ms' },
  pickMs: { limit: 50, better: 'below', unit: 'ms' },
  framesPerSecond: { limit: 20, better: 'above', unit: 'frames/s' },
  rendererPrivateMB: { limit: 300, better: 'below', unit: 'MB' },
};

const sorted = (values) => [...values].sort((a, b) => a - b);

/** The upper of the two in the middle where their number is even. */
export const median = (values) => sorted(values)[Math.floor(values.length / 2)];

const spread = (values) => ({
  median: round(median(values)),
  least: round(Math.min(...values)),
  most: round(Math.max(...values)),
  count: values.length,
});

/** @param runs as the measuring script makes them. @returns one entry a goal, `met` by the median, and the load seen. */
export function summarize(runs) {
  const values = {
    firstTileMs: runs.flatMap(({ firstTileMs }) => Object.values(firstTileMs)),
    pickMs: runs.flatMap(({ pickMs }) => pickMs),
    framesPerSecond: runs.map(({ panAndZoom }) => panAndZoom.perSecond),
    rendererPrivateMB: runs.map(({ memoryMB }) => memoryMB.private),
  };
  const load = spread(runs.flatMap((run) => [run.load, run.loadAfter]));
  const figures = Object.entries(goals).map(([name, { limit, better, unit }]) => {
    const figure = spread(values[name]);
    const met = better === 'below' ? figure.median <= limit : figure.median >= limit;
    return [name, { ...figure, unit, goal: `${better} ${limit}`, met }];
  });
  return { load: { least: load.least, most: load.most }, ...Object.fromEntries(figures) };
}

/** The same as lines of text. */
export function summaryLines(summary) {
  const { load, ...figures } = summary;
  const lines = Object.entries(figures).map(
    ([name, { median: middle, least, most, count, unit, goal, met }]) =>
      `${name}: median ${middle} ${unit} (${least} to ${most}, ${count} measured), goal ${goal}: ${met ? 'met' : 'missed'}`,
  );
  return [...lines, `load average ${load.least} to ${load.most}`];
}
