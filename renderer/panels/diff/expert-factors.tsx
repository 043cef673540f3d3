/** Best-fit scale factor and share of the squared error by expert: a wrong scale of one expert shows as a factor of its own. */

import type { StageComparison } from '../../../electron/contract/batch';
import { formatError, formatShare } from '../../format/numbers';
import { Block } from '../../frame/panel-frame';
import type { Column } from '../../tables/columns';
import { DataTable } from '../../tables/data-table';
import { shortValue } from '../../tensorview/exact';
import { showPlane } from '../scales/state';
import { type StageDiff, stageTitles } from './state';

type ExpertRow = NonNullable<StageComparison['experts']>[number];

const columns: readonly Column<ExpertRow>[] = [
  { id: 'expert', header: 'expert', width: '58px', kind: 'number', value: (row) => row.expert },
  { id: 'rows', header: 'rows', width: '52px', kind: 'number', value: (row) => row.rows },
  {
    id: 'nrmse',
    header: 'NRMSE',
    width: '84px',
    kind: 'number',
    value: (row) => row.nrmse,
    render: (row) => formatError(row.nrmse),
  },
  {
    id: 'bestScale',
    header: 'best scale',
    width: '92px',
    kind: 'number',
    value: (row) => row.bestScale,
    render: (row) => shortValue(row.bestScale, 6),
  },
  {
    id: 'share',
    header: 'of error',
    width: '76px',
    kind: 'number',
    value: (row) => row.share,
    render: (row) => formatShare(row.share),
  },
];

export function ExpertFactors({ stage }: { stage: StageDiff }) {
  const experts = stage.comparison?.experts;
  if (!experts) return null;
  return (
    <Block title={`${stageTitles[stage.stage]} by expert`} note="a ≈ scale × b" className="diff-experts">
      <DataTable
        label="By expert"
        testId="diff-experts"
        columns={columns}
        rows={experts}
        rowId={(row) => row.expert}
        initialSort={{ column: 'share', descending: true }}
        onSelect={({ expert }) => showPlane(expert)}
        empty="No expert has rows."
      />
    </Block>
  );
}
