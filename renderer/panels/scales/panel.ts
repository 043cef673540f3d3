import { lazy } from 'react';
import type { PanelDefinition } from '../registry';
import './commands';

export const panel: PanelDefinition = {
  id: 'scales',
  title: 'Scales',
  order: 30,
  summary: 'Scale tensors of the checkpoint and of both paths, element by element',
  component: lazy(() => import('./scales-panel').then((module) => ({ default: module.ScalesPanel }))),
};
