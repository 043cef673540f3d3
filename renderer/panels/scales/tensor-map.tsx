/** The heat map of the shown plane: values, or the ratio to another set. */
import { useMemo, useRef, useState } from 'react';
import { AppError, type AppErrorData } from '../../../electron/contract/errors';
import type { TensorDescriptor, TensorStatsRow } from '../../../electron/contract/tensor';
import { ExportButtons } from '../../charts/export-buttons';
import { ErrorState } from '../../frame/panel-frame';
import { useSelection } from '../../stores/selection';
import { type PlaneOf, ratioSource, tensorSource } from '../../tensorview/engine-sources';
import { HeatMap } from '../../tensorview/heat-map';
import type { LookSettings } from '../../tensorview/look';
import { MarksLegend } from '../../tensorview/marks-legend';
import { PlaneStepper } from '../../tensorview/plane-stepper';
import { RangeControl } from '../../tensorview/range-control';
import { useLook } from '../../tensorview/use-look';
import { changeLook, mappingOf, pickIn, showPlane, useScales } from './state';
import { axisNames } from './tensors';

export interface TensorMapProps {
  of: PlaneOf;
  /** tensors that this one can be divided by */
  ratioChoices: readonly TensorDescriptor[];
  stats: TensorStatsRow | null;
}

export function TensorMap({ of, ratioChoices, stats }: TensorMapProps) {
  const { tensor, plane, batch, layerKey } = of;
  const { view, against, looks } = useScales();
  const element = useSelection((state) => state.element);
  const [failure, setFailure] = useState<AppErrorData | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const divisor = ratioChoices.find(({ id }) => id === against) ?? null;
  const mapping = mappingOf(tensor.role, divisor?.id ?? null);
  const settings = looks[mapping];
  const change = (part: Partial<LookSettings>) => changeLook(mapping, part);
  const { look, sample, onSample } = useLook(settings);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the descriptor is new with every list, its id is the same
  const source = useMemo(() => {
    setFailure(null);
    return divisor ? ratioSource(of, divisor.id) : tensorSource(of);
  }, [tensor.id, plane, batch, layerKey, divisor?.id]);
  const names = axisNames(tensor);
  const picked = useMemo(
    () => (element && element.plane === plane ? { row: element.row, column: element.column } : null),
    [element, plane],
  );
  const shares =
    stats && stats.count > 0 && !divisor
      ? {
          zero: stats.zero / stats.count,
          subnormal: stats.subnormal / stats.count,
          saturated: stats.saturated / stats.count,
          nan: stats.nan / stats.count,
        }
      : null;
  return (
    <div className="tensor-map">
      <div className="tensor-map-head">
        {tensor.planes > 1 && <PlaneStepper name="expert" plane={plane} planes={tensor.planes} onChange={showPlane} />}
        <label className="muted">
          show{' '}
          <select
            className="select small"
            aria-label="Values or ratio"
            value={divisor?.id ?? ''}
            onChange={(event) => useScales.setState({ against: event.target.value || null })}
          >
            <option value="">values</option>
            {ratioChoices.map(({ id }) => (
              <option key={id} value={id}>
                ratio to {id}
              </option>
            ))}
          </select>
        </label>
        <span className="tensor-map-export">
          <ExportButtons
            name={`${tensor.name}-expert${plane}`}
            picture={() => box.current?.querySelector('.heat-map-area') ?? null}
          />
        </span>
      </div>
      <div className="tensor-map-body" ref={box}>
        {failure ? (
          <ErrorState error={failure} onDismiss={() => setFailure(null)} />
        ) : (
          <HeatMap
            label={`${tensor.id}${tensor.planes > 1 ? `, expert ${plane}` : ''}${divisor ? `, divided by ${divisor.id}` : ''}`}
            source={source}
            look={look}
            view={view}
            onView={(next) => useScales.setState({ view: next })}
            picked={picked}
            onPick={(row, column) => pickIn(tensor, plane, row, column)}
            onSample={onSample}
            onError={(thrown) => setFailure(AppError.from(thrown).toData())}
            rowName={names.row}
            columnName={names.column}
          />
        )}
      </div>
      <div className="tensor-map-foot">
        <RangeControl settings={settings} onChange={change} look={look} sample={sample} />
        <MarksLegend shown={settings.marks} onChange={(marks) => change({ marks })} shares={shares} />
      </div>
    </div>
  );
}
