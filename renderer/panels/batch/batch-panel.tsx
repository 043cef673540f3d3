/** One batch: the decision chain step by step, the routing, the padding, the times of both paths. */
import { type BatchDetail, measuredMicroseconds } from '../../../electron/contract/batch';
import { formatCosine, formatCount, formatError, formatMicroseconds } from '../../format/numbers';
import { KernelLabel } from '../../frame/kernel-label';
import { EmptyState, ErrorState, PanelFrame } from '../../frame/panel-frame';
import { CommandButton } from '../../frame/toolbar/command-button';
import { useRun } from '../../stores/run';
import { useSelection } from '../../stores/selection';
import { pathNames } from '../../theme/palette';
import { DecisionChain } from './decision-chain';
import { ExpertChart } from './expert-chart';
import { RoutingMatrix } from './routing-matrix';
import { StageTimes } from './stage-times';
import './batch-panel.css';

export function BatchPanel() {
  const batch = useSelection((state) => state.batch);
  const detail = useSelection((state) => state.detail);
  const error = useSelection((state) => state.detailError);
  return (
    <PanelFrame
      id="batch"
      title="Batch"
      controls={<Controls />}
      actions={
        <CommandButton id="cli.copy" label="Copy as CLI command" className="quiet small">
          Copy as CLI command
        </CommandButton>
      }
    >
      {batch === null ? <NoBatch /> : error ? <ErrorState error={error} /> : detail && <Content detail={detail} />}
    </PanelFrame>
  );
}

function Controls() {
  const batch = useSelection((state) => state.batch);
  const path = useSelection((state) => state.detail?.row.path);
  const other = path === 'cutlass' ? 'b12x' : 'cutlass';
  return (
    <>
      <CommandButton id="batch.previous" label="Previous batch" className="small icon">
        <span aria-hidden="true">&lt;</span>
      </CommandButton>
      <span className="batch-number number" data-testid="batch-index">
        {batch === null ? '-' : formatCount(batch)}
      </span>
      <CommandButton id="batch.next" label="Next batch" className="small icon">
        <span aria-hidden="true">&gt;</span>
      </CommandButton>
      <CommandButton id="batch.newest" label="Newest batch" className="small">
        Newest
      </CommandButton>
      <CommandButton id="batch.nearestOther" label="Nearest batch on the other path" className="small">
        Nearest on {pathNames[other]}
      </CommandButton>
      <CommandButton id="batch.rerunOther" label="Run again on the other path" className="small">
        Run again on {pathNames[other]}
      </CommandButton>
    </>
  );
}

function NoBatch() {
  const any = useRun((state) => state.total > 0);
  return (
    <EmptyState
      title="No batch selected"
      reason={any ? 'Click a batch in the timeline or in the Live table, or take the newest.' : 'No batch has run yet.'}
    >
      {any && <CommandButton id="batch.newest">Newest batch</CommandButton>}
    </EmptyState>
  );
}

function Content({ detail }: { detail: BatchDetail }) {
  const { row } = detail;
  return (
    <div className="batch">
      {row.error && <ErrorState error={row.error} />}
      <Summary detail={detail} />
      <div className="batch-top">
        <DecisionChain decision={detail.decision} />
        <StageTimes detail={detail} />
      </div>
      <ExpertChart detail={detail} />
      <RoutingMatrix detail={detail} />
      <p className="batch-provenance muted volatile volatile-gone">Measured: {detail.provenance}</p>
    </div>
  );
}

function Summary({ detail }: { detail: BatchDetail }) {
  const { row, decision } = detail;
  const figures: [string, string, boolean?][] = [
    ['tokens', formatCount(row.tokens)],
    ['routed pairs', formatCount(row.routedPairs)],
    ['top-k', String(detail.topK)],
    ['unique experts', `${formatCount(row.uniqueExperts)} / ${formatCount(detail.experts)}`],
    ['most rows per expert', formatCount(row.maxRowsPerExpert)],
    ['tile', decision.tileM > 0 ? `${decision.tileM} x ${decision.tileN}` : '-'],
    ['time', formatMicroseconds(measuredMicroseconds(row)), true],
    ['other path', formatMicroseconds(row.otherMicroseconds), true],
    ['NRMSE', formatError(row.nrmse)],
    ['cosine', formatCosine(row.cosine)],
  ];
  return (
    <div className="batch-summary">
      <div className="figure figure-path">
        <KernelLabel kernel={row.kernel} />
        <span>{row.phase}</span>
      </div>
      {figures.map(([name, value, varies]) => (
        <div key={name} className={varies ? 'figure figure-varies' : 'figure'}>
          <b className={varies ? 'number volatile' : 'number'}>{value}</b>
          <span>{name}</span>
        </div>
      ))}
    </div>
  );
}
