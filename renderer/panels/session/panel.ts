import { lazy } from 'react';
import type { PanelDefinition } from '../registry';
import './commands';

export const panel: PanelDefinition = {
  id: 'session',
  title: 'Session',
  order: 80,
  summary: 'Record, open and replay sessions; environment, notes, bookmarks, sizes and integrity',
  component: lazy(() => import('./session-panel').then((module) => ({ default: module.SessionPanel }))),
};
