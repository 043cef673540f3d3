/** Commands that change how things are looked at. */
import { resetLayout } from '../frame/layout';
import { notify } from '../frame/notice';
import { rangeNow, zoomed } from '../frame/timeline/geometry';
import { panels } from '../panels/registry';
import { redoView, undoView } from '../stores/history';
import { useRun } from '../stores/run';
import { captureView, toLink } from '../stores/snapshot';
import { noFilters, setFilters, setScreenshotMode, setTheme, setTimeline, useView } from '../stores/view';
import { argument, needed } from './arguments';
import { copyText } from './clipboard';
import { usePalette } from './palette-state';
import type { Command } from './registry';

function zoom(factor: number) {
  const { total } = useRun.getState();
  const { timeline } = useView.getState();
  const range = rangeNow(timeline, total);
  const centre = timeline.follow ? range.last : (range.first + range.last) / 2;
  setTimeline(zoomed(range, factor, centre, total));
}

async function copyLink() {
  const fields = toLink(captureView(), new URLSearchParams(location.hash.slice(1)));
  const link = `${location.href.split('#')[0]}#${fields}`;
  await copyText(link);
  notify('Copied a link to this view.');
  return link;
}

const openPanel = (id: string) => useView.setState({ panel: id });

export const viewCommands: Command[] = [
  {
    id: 'view.palette',
    title: 'All commands',
    group: 'View',
    shortcut: 'Ctrl+K',
    run: () => usePalette.setState(({ open }) => ({ open: !open })),
  },
  {
    id: 'view.theme',
    title: 'Change between dark and light',
    group: 'View',
    run: (args) => {
      const wanted = argument(args, 'theme', 'string');
      const theme = wanted ?? (useView.getState().theme === 'dark' ? 'light' : 'dark');
      setTheme(theme === 'light' ? 'light' : 'dark');
    },
  },
  {
    id: 'view.screenshotMode',
    title: 'Hide times and rates (screenshots)',
    group: 'View',
    run: (args) => setScreenshotMode(argument(args, 'on', 'boolean') ?? !useView.getState().screenshotMode),
  },
  { id: 'view.resetLayout', title: 'Reset the layout of panels', group: 'View', run: resetLayout },
  {
    id: 'view.details',
    title: 'Show or hide the details',
    group: 'View',
    shortcut: 'D',
    run: () => useView.setState(({ detailsOpen }) => ({ detailsOpen: !detailsOpen })),
  },
  { id: 'view.undo', title: 'Undo the last change of the view', group: 'View', shortcut: 'Ctrl+Z', run: undoView },
  { id: 'view.redo', title: 'Redo the change of the view', group: 'View', shortcut: 'Ctrl+Shift+Z', run: redoView },
  { id: 'view.copyLink', title: 'Copy a link to this view', group: 'Copy', shortcut: 'Ctrl+L', run: copyLink },
  {
    id: 'timeline.follow',
    title: 'Follow the newest batch',
    group: 'Timeline',
    shortcut: 'F',
    run: (args) => setTimeline({ follow: argument(args, 'on', 'boolean') ?? !useView.getState().timeline.follow }),
  },
  { id: 'timeline.zoomIn', title: 'Zoom in', group: 'Timeline', shortcut: '+', run: () => zoom(0.5) },
  { id: 'timeline.zoomOut', title: 'Zoom out', group: 'Timeline', shortcut: '-', run: () => zoom(2) },
  {
    id: 'timeline.fit',
    title: 'Show all batches',
    group: 'Timeline',
    shortcut: '0',
    run: () => setTimeline({ first: 0, last: Math.max(19, useRun.getState().total - 1), follow: false }),
  },
  {
    id: 'timeline.range',
    title: 'Show a range of batches',
    group: 'Timeline',
    hidden: true,
    run: (args) =>
      setTimeline({
        first: needed(argument(args, 'first', 'number'), 'timeline.range', 'first'),
        last: needed(argument(args, 'last', 'number'), 'timeline.range', 'last'),
        follow: false,
      }),
  },
  { id: 'filters.clear', title: 'Show batches of every kind', group: 'Timeline', run: () => setFilters(noFilters) },
  {
    id: 'panel.open',
    title: 'Open a panel',
    group: 'Panels',
    hidden: true,
    run: (args) => openPanel(needed(argument(args, 'id', 'string'), 'panel.open', 'id')),
  },
  ...panels.map(
    ({ id, title }, index): Command => ({
      id: `panel.open.${id}`,
      title: `Open ${title}`,
      group: 'Panels',
      ...(index < 9 && { shortcut: `Alt+${index + 1}` }),
      run: () => openPanel(id),
    }),
  ),
];
