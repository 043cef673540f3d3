import { lazy } from 'react';
import { useSelection } from '../../stores/selection';
import { followAddress } from '../../tensorview/address';
import type { PanelDefinition } from '../registry';
import { diffAddress } from './address';
import './commands';
import { forgetExplanation } from './explanation';
import { useDiff } from './state';

followAddress(useDiff, diffAddress);
// Other batches may come under the same numbers: what was measured belongs to none of them.
useSelection.subscribe(({ batch }) => {
  if (batch !== null) return;
  forgetExplanation();
  useDiff.setState({ noise: null });
});

export const panel: PanelDefinition = {
  id: 'diff',
  title: 'Diff',
  order: 40,
  summary: 'b12x, CUTLASS and reference compared stage by stage, with the causes of the difference',
  component: lazy(() => import('./diff-panel').then((module) => ({ default: module.DiffPanel }))),
};
