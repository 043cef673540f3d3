import { lazy } from 'react';
import type { PanelDefinition } from '../registry';

export const panel: PanelDefinition = {
  id: 'batch',
  title: 'Batch',
  order: 20,
  summary: 'Why one batch took its path, how it was routed, where its time went',
  component: lazy(() => import('./batch-panel').then((module) => ({ default: module.BatchPanel }))),
};
