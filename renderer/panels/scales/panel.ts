import { lazy } from 'react';
import { followAddress } from '../../tensorview/address';
import type { PanelDefinition } from '../registry';
import { scalesAddress } from './address';
import './commands';
import { useScales } from './state';

followAddress(useScales, scalesAddress);

export const panel: PanelDefinition = {
  id: 'scales',
  title: 'Scales',
  order: 30,
  summary: 'Scale tensors of the checkpoint and of both paths, element by element',
  component: lazy(() => import('./scales-panel').then((module) => ({ default: module.ScalesPanel }))),
};
