/** Heat map of a - b of one stage. */
import { useMemo, useState } from 'react';
import type { Diff } from '../../../electron/contract/batch';
import { AppError, type AppErrorData } from '../../../electron/contract/errors';
import { EmptyState, ErrorState } from '../../frame/panel-frame';
import { useSelection } from '../../stores/selection';
import { differenceSource } from '../../tensorview/engine-sources';
import { HeatMap } from '../../tensorview/heat-map';
import { MarksLegend } from '../../tensorview/marks-legend';
import { RangeControl } from '../../tensorview/range-control';
import { useLook } from '../../tensorview/use-look';
import { rowName, type StageDiff, sideTitles, stageTitles, useDiff } from './state';

export interface DifferenceMapProps {
  diff: Diff;
  stage: StageDiff;
  layerKey: string;
  onPick: (row: number, column: number) => void;
}

export function DifferenceMap({ diff, stage, layerKey, onPick }: DifferenceMapProps) {
  const { view, look: settings, element } = useDiff();
  const [failure, setFailure] = useState<AppErrorData | null>(null);
  const { look, sample, onSample } = useLook(settings);
  const { batch, a, b } = diff;
  const row = useSelection(({ detail }) => (detail?.row.index === batch ? detail.row : null));
  const { stage: name, rows, columns } = stage;
  const source = useMemo(() => {
    setFailure(null);
    return differenceSource({ batch, a, b, stage: name, rows, columns, layerKey });
  }, [batch, a, b, name, rows, columns, layerKey]);
  if (!stage.comparison)
    return (
      <EmptyState
        title={`No comparison of ${stageTitles[name]}`}
        reason={stage.reason || 'The engine gave no reason.'}
      />
    );
  const title = `${sideTitles[a]} - ${sideTitles[b]}, ${stageTitles[name]} of batch ${batch}`;
  const change = (part: Partial<typeof settings>) => useDiff.setState({ look: { ...settings, ...part } });
  return (
    <div className="difference-map">
      <div className="difference-map-body">
        {failure ? (
          <ErrorState error={failure} onDismiss={() => setFailure(null)} />
        ) : (
          <HeatMap
            label={title}
            source={source}
            look={look}
            view={view}
            onView={(next) => useDiff.setState({ view: next })}
            picked={element}
            onPick={onPick}
            onSample={onSample}
            onError={(thrown) => setFailure(AppError.from(thrown).toData())}
            rowName={rowName(rows, row)}
            columnName="column"
          />
        )}
      </div>
      <div className="difference-map-foot">
        <RangeControl settings={settings} onChange={change} look={look} sample={sample} />
        <MarksLegend shown={settings.marks} onChange={(marks) => change({ marks })} names={['zero', 'nan']} />
      </div>
    </div>
  );
}
