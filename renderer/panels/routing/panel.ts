import { lazy } from 'react';
import type { PanelDefinition } from '../registry';

export const panel: PanelDefinition = {
  id: 'routing',
  title: 'Routing',
  order: 60,
  summary: 'Load of the experts over time, against uniform routing and the floors of a device',
  component: lazy(() => import('./routing-panel').then((module) => ({ default: module.RoutingPanel }))),
};
