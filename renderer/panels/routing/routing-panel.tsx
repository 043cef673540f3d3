/** Routing: which experts work, over time and in one batch, against uniform routing and against the floors of a device. */
import { useState } from 'react';
import type { BatchDetail } from '../../../electron/contract/batch';
import { formatCount } from '../../format/numbers';
import { KernelLabel } from '../../frame/kernel-label';
import { EmptyState, ErrorState, PanelFrame } from '../../frame/panel-frame';
import { CommandButton } from '../../frame/toolbar/command-button';
import { selectHasLayer, useConnection } from '../../stores/connection';
import { useRun } from '../../stores/run';
import { useSelection } from '../../stores/selection';
import { useRequest } from '../../stores/use-request';
import { ExpertChart } from '../batch/expert-chart';
import { RoutingMatrix } from '../batch/routing-matrix';
import { BalanceTable } from './balance-table';
import { Floors } from './floors';
import { LoadStrip } from './load-strip';
import { OverTime } from './over-time';
import { useWindow } from './use-window';
import './routing-panel.css';

const stripHeight = 160;

export function RoutingPanel() {
  const total = useRun((state) => state.total);
  const batch = useSelection((state) => state.batch);
  return (
    <PanelFrame
      id="routing"
      title="Routing"
      controls={
        <>
          <CommandButton id="batch.previous" label="Previous batch" className="small icon">
            <span aria-hidden="true">&lt;</span>
          </CommandButton>
          <span className="batch-number number">{batch === null ? '-' : formatCount(batch)}</span>
          <CommandButton id="batch.next" label="Next batch" className="small icon">
            <span aria-hidden="true">&gt;</span>
          </CommandButton>
          <CommandButton id="batch.newest" label="Newest batch" className="small">
            Newest
          </CommandButton>
          <span className="muted">the strip shows the batches of the timeline; click a cell for its batch</span>
        </>
      }
    >
      {total === 0 ? <NoBatches /> : <Content />}
    </PanelFrame>
  );
}

function NoBatches() {
  const hasLayer = useConnection(selectHasLayer);
  return (
    <EmptyState
      title="No routing yet"
      reason={hasLayer ? 'Routing is known once a batch has run.' : 'No layer is loaded, so no batch was routed.'}
    >
      {hasLayer && <CommandButton id="run.step">Run one batch</CommandButton>}
    </EmptyState>
  );
}

function Content() {
  const [width, setWidth] = useState(0);
  const { data, error } = useWindow(width, stripHeight);
  return (
    <div className="routing">
      {error ? (
        <ErrorState error={error} />
      ) : (
        <>
          <LoadStrip window={data} height={stripHeight} onWidth={setWidth} />
          <OverTime window={data} />
        </>
      )}
      <SelectedBatch />
    </div>
  );
}

function SelectedBatch() {
  const batch = useSelection((state) => state.batch);
  const detail = useSelection((state) => state.detail);
  const detailError = useSelection((state) => state.detailError);
  if (batch === null)
    return (
      <div className="routing-none">
        <EmptyState
          title="No batch selected"
          reason="Click a cell of the strip, a batch of the timeline, or take the newest."
        >
          <CommandButton id="batch.newest">Newest batch</CommandButton>
        </EmptyState>
      </div>
    );
  if (detailError) return <ErrorState error={detailError} />;
  return detail && <BatchBlocks detail={detail} />;
}

function BatchBlocks({ detail }: { detail: BatchDetail }) {
  const epoch = useRun((state) => state.epoch);
  const { data, error } = useRequest('routing.batch', { batch: detail.row.index }, epoch);
  return (
    <>
      <h3 className="routing-batch">
        Batch <span className="number">{formatCount(detail.row.index)}</span>
        <KernelLabel kernel={detail.row.kernel} />
        <span className="muted">{formatCount(detail.row.tokens)} tokens</span>
      </h3>
      {error && <ErrorState error={error} />}
      {data && (
        <div className="routing-pair">
          <BalanceTable routing={data} />
          <Floors routing={data} row={detail.row} />
        </div>
      )}
      <ExpertChart detail={detail} />
      <RoutingMatrix detail={detail} />
    </>
  );
}
