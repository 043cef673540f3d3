/** Diff: two answers to the same batch, stage by stage, with what makes the difference. */
import { useEffect, useMemo } from 'react';
import { type Diff, type Side, type Stage, sides } from '../../../electron/contract/batch';
import type { Noise } from '../../../electron/contract/element';
import { ExportButtons } from '../../charts/export-buttons';
import { Block, EmptyState, ErrorState, PanelFrame } from '../../frame/panel-frame';
import { useConnection } from '../../stores/connection';
import { useSelection } from '../../stores/selection';
import { useRequest } from '../../stores/use-request';
import { setPair, useView } from '../../stores/view';
import { tableCsv } from '../../tables/columns';
import { showPlane } from '../scales/state';
import { CausesBlock } from './causes';
import { CausesView } from './causes-view';
import { DifferenceMap } from './difference-map';
import { ExpertFactors } from './expert-factors';
import { useExplanation } from './explanation';
import { HistoryView } from './history-view';
import { NoiseBlock } from './noise';
import { type StageRow, StageTable, stageColumns } from './stage-table';
import {
  comparisonKey,
  layerKeyOf,
  pickElement,
  showComparison,
  showStage,
  sideTitles,
  stageTitles,
  useDiff,
} from './state';
import { ToleranceFields } from './tolerance-fields';
import { UlpHistogram } from './ulp-histogram';
import { type Worst, WorstTable, worstColumns } from './worst-table';
import './diff-panel.css';

export function DiffPanel() {
  const engine = useConnection((state) => state.engine);
  const batch = useSelection((state) => state.batch);
  const { a, b } = useView((state) => state.pair);
  const { rtol, atol } = useView((state) => state.tolerance);
  const layer = engine?.layer ?? null;
  const layerKey = layerKeyOf(engine);
  const asked = layer && batch !== null && a !== b ? { batch, a, b, rtol, atol } : null;
  const diff = useRequest('diff.stages', asked, layerKey);
  const controls = (
    <>
      <PairChooser a={a} b={b} />
      <ToleranceFields />
      {batch !== null && <span className="muted number">batch {batch}</span>}
    </>
  );
  const empty = reasonForNothing(!!layer, batch, a, b);
  return (
    <PanelFrame id="diff" title="Diff" controls={controls} scroll={false}>
      {empty && <EmptyState title="Nothing to compare" reason={empty} />}
      {!empty && diff.error && <ErrorState error={diff.error} />}
      {!empty && !diff.error && !diff.data && (
        <EmptyState
          title="Comparing"
          reason={`${sideTitles[a]} and ${sideTitles[b]} are run and compared stage by stage.`}
        />
      )}
      {!empty && diff.data && <DiffView diff={diff.data} layerKey={layerKey} stale={diff.loading} />}
    </PanelFrame>
  );
}

/** Why there can be no comparison; empty when there can. */
function reasonForNothing(hasLayer: boolean, batch: number | null, a: Side, b: Side): string {
  if (!hasLayer) return 'No layer is loaded: open a checkpoint or a session.';
  if (batch === null) return 'Select a batch in Live, in Batch or on the timeline.';
  if (a === b) return `${sideTitles[a]} is chosen on both sides: choose two different answers.`;
  return '';
}

function PairChooser({ a, b }: { a: Side; b: Side }) {
  const chooser = (which: 'a' | 'b', value: Side) => (
    <select
      className="select"
      aria-label={which === 'a' ? 'Side a' : 'Side b'}
      value={value}
      onChange={(event) => setPair({ [which]: event.target.value as Side })}
    >
      {sides.map((side) => (
        <option key={side} value={side}>
          {sideTitles[side]}
        </option>
      ))}
    </select>
  );
  return (
    <span className="pair-chooser">
      {chooser('a', a)}
      <button
        type="button"
        className="button small"
        aria-label="Swap the sides"
        onClick={() => setPair({ a: b, b: a })}
      >
        swap
      </button>
      {chooser('b', b)}
    </span>
  );
}

interface DiffViewProps {
  diff: Diff;
  layerKey: string;
  /** a newer answer is on its way */
  stale: boolean;
}

function DiffView({ diff, layerKey, stale }: DiffViewProps) {
  const { stage: chosen, element, history, noise: measured } = useDiff();
  const key = comparisonKey(diff.batch, diff);
  const noise = measured?.of === key ? measured.found : null;
  const { of, open, found } = useExplanation();
  const causes = open && of === key && found && found.causes.length > 0 ? found : null;
  const firstDiverging = noise ? overNoise(diff, noise) : diff.firstDiverging;
  const stageName = chosen ?? firstDiverging ?? 'output';
  const stage = diff.stages.find((candidate) => candidate.stage === stageName) ?? diff.stages[diff.stages.length - 1];
  const rows = useMemo(
    (): StageRow[] =>
      diff.stages.map((entry) => ({
        ...entry,
        firstDiverging: entry.stage === firstDiverging,
        floor: noise?.stages.find(({ stage }) => stage === entry.stage)?.floor ?? null,
      })),
    [diff, noise, firstDiverging],
  );
  useEffect(() => showComparison(key), [key]);
  if (!stage) return <EmptyState title="No stages" reason="The engine compared nothing for this batch." />;
  const name = `batch${diff.batch}-${diff.a}-${diff.b}`;
  const pickWorst = (worst: Worst) => {
    pickElement(diff, stage.stage, worst.row, worst.column);
    if (worst.expert >= 0) showPlane(worst.expert);
  };
  const picked = element && stage.worst.find(({ row, column }) => row === element.row && column === element.column);
  return (
    <div className="diff" data-state={stale ? 'loading' : 'idle'}>
      <div className="diff-main">
        <Provenance diff={diff} />
        <div className="diff-stages">
          <StageTable rows={rows} selected={stage.stage} onSelect={showStage} />
        </div>
        {history && <HistoryView diff={diff} element={history} layerKey={layerKey} />}
        {!history && causes && <CausesView found={causes} name={name} />}
        {!history && !causes && (
          <Block
            title={`${sideTitles[diff.a]} - ${sideTitles[diff.b]}, ${stageTitles[stage.stage]}`}
            note={picked ? placeOf(picked) : undefined}
            className="diff-map-block"
            actions={<ExportButtons name={`${name}-stages`} csv={() => tableCsv(stageColumns, rows)} />}
          >
            <DifferenceMap
              key={stage.stage}
              diff={diff}
              stage={stage}
              layerKey={layerKey}
              onPick={(row, column) => pickElement(diff, stage.stage, row, column)}
            />
          </Block>
        )}
      </div>
      <aside className="diff-side" aria-label="Causes and worst elements">
        <CausesBlock diff={diff} />
        <NoiseBlock diff={diff} />
        <ExpertFactors stage={stage} />
        <UlpHistogram comparison={stage.comparison} name={`${name}-${stage.stage}`} height={104} />
        <Block
          title="Worst elements"
          note="largest |a - b|"
          className="diff-worst"
          actions={<ExportButtons name={`${name}-worst`} csv={() => tableCsv(worstColumns(diff), stage.worst)} />}
        >
          <WorstTable
            diff={diff}
            rows={stage.worst}
            selected={element}
            onSelect={pickWorst}
            empty={stage.comparison ? 'The two answers are equal.' : stage.reason}
          />
        </Block>
      </aside>
    </div>
  );
}

/** "token 3, slot 1, expert 7"; of a stage with one row a token the token alone. */
function placeOf({ token, slot, expert }: Worst): string {
  return slot < 0 ? `token ${token}` : `token ${token}, slot ${slot}, expert ${expert}`;
}

/** The first stage out of tolerance and above its floor; the tolerance may have moved since the batch was repeated. */
function overNoise(diff: Diff, noise: Noise): Stage | null {
  const over = diff.stages.find(({ stage, comparison }) => {
    const floor = noise.stages.find((entry) => entry.stage === stage)?.floor ?? 0;
    return comparison !== null && comparison.withinTolerance < 1 && comparison.nrmse > floor;
  });
  return over?.stage ?? null;
}

/** Where the two sides were computed; a warning when that is not one place. The reference is a calculation, not a device. */
function Provenance({ diff }: { diff: Diff }) {
  const places = [...new Set(diff.provenance)];
  const measured = diff.a !== 'reference' && diff.b !== 'reference';
  if (places.length > 1 && measured)
    return (
      <p className="diff-provenance warning volatile volatile-gone" role="alert">
        The two sides do not come from the same device or version: {places.join(' | ')}
      </p>
    );
  const text = places.join(' | ') || 'The engine did not say where this was computed.';
  return <p className="diff-provenance muted volatile volatile-gone">{text}</p>;
}
