import { lazy } from 'react';
import type { PanelDefinition } from '../registry';

export const panel: PanelDefinition = {
  id: 'live',
  title: 'Live',
  order: 10,
  summary: 'Share of paths, token counts, times over the run, newest batches',
  component: lazy(() => import('./live-panel').then((module) => ({ default: module.LivePanel }))),
};
