import { lazy } from 'react';
import { followAddress } from '../../tensorview/address';
import type { PanelDefinition } from '../registry';
import { diffAddress } from './address';
import './commands';
import { useDiff } from './state';

followAddress(useDiff, diffAddress);

export const panel: PanelDefinition = {
  id: 'diff',
  title: 'Diff',
  order: 40,
  summary: 'b12x, CUTLASS and reference compared stage by stage, with the causes of the difference',
  component: lazy(() => import('./diff-panel').then((module) => ({ default: module.DiffPanel }))),
};
