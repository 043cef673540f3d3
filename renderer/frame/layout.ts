/** The arrangement of panels: kept in localStorage, made anew where it does not fit the panels there are. */
import type { DockviewApi } from 'dockview-react';
import { findPanel, panels } from '../panels/registry';
import { useView } from '../stores/view';

const key = 'moescope.layout.1';

let docks: DockviewApi | null = null;

/** Takes over a new dock area: the kept layout or the default one, and from then on keeps what changes. */
export function adoptDocks(api: DockviewApi): void {
  docks = api;
  if (!loadLayout(api)) defaultLayout(api);
  showPanel(useView.getState().panel);
  let timer: ReturnType<typeof setTimeout> | undefined;
  api.onDidLayoutChange(() => {
    clearTimeout(timer);
    timer = setTimeout(() => saveLayout(api), 300);
  });
  api.onDidActivePanelChange(({ panel }) => {
    if (panel && panel.id !== useView.getState().panel) useView.setState({ panel: panel.id });
  });
}

function loadLayout(api: DockviewApi): boolean {
  try {
    const text = localStorage.getItem(key);
    if (!text) return false;
    const layout = JSON.parse(text) as Parameters<DockviewApi['fromJSON']>[0];
    const known = Object.keys(layout.panels).sort().join();
    if (
      known !==
      panels
        .map(({ id }) => id)
        .sort()
        .join()
    )
      return false;
    api.fromJSON(layout);
    return true;
  } catch {
    // damaged or of another version: the default layout is better than no window
    api.clear();
    return false;
  }
}

function saveLayout(api: DockviewApi): void {
  try {
    localStorage.setItem(key, JSON.stringify(api.toJSON()));
  } catch {
    // storage is off: the layout holds for this window
  }
}

/** One group with a tab for each panel. */
function defaultLayout(api: DockviewApi): void {
  for (const { id, title } of panels) api.addPanel({ id, component: 'panel', title, inactive: api.totalPanels > 0 });
}

/** Brings a panel to the front. */
export function showPanel(id: string): void {
  const panel = docks?.getPanel(id);
  if (panel && findPanel(id) && !panel.api.isActive) panel.api.setActive();
}

/** Back to the default layout. */
export function resetLayout(): void {
  if (!docks) return;
  const { panel } = useView.getState();
  docks.clear();
  defaultLayout(docks);
  showPanel(panel);
}
