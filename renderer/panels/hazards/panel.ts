import { lazy } from 'react';
import type { PanelDefinition } from '../registry';
import './commands';
import { followLayer } from './state';

followLayer();

export const panel: PanelDefinition = {
  id: 'hazards',
  title: 'Hazards',
  order: 35,
  summary: 'What is wrong or risky in the scales of this layer, with the numbers, why, and what to do',
  component: lazy(() => import('./hazards-panel').then((module) => ({ default: module.HazardsPanel }))),
};
