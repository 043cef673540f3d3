/** The selection at the right: which batch, what decided its path, its numbers. */

import { type BatchDetail, measuredMicroseconds } from '../../electron/contract/batch';
import { decidingSteps } from '../../electron/contract/deciding-steps';
import type { DeviceMemory } from '../../electron/contract/session';
import { formatBytes, formatCosine, formatCount, formatError, formatMicroseconds } from '../format/numbers';
import { stepText } from '../panels/batch/step-text';
import { useConnection } from '../stores/connection';
import { useRun } from '../stores/run';
import { useSelection } from '../stores/selection';
import { KernelLabel } from './kernel-label';
import { Block, EmptyState, ErrorState, Facts } from './panel-frame';
import { CommandButton } from './toolbar/command-button';
import './details.css';

export function Details() {
  const batch = useSelection((state) => state.batch);
  const detail = useSelection((state) => state.detail);
  const error = useSelection((state) => state.detailError);
  const any = useRun((state) => state.total > 0);
  return (
    <aside className="details" aria-label="Selection" data-testid="details">
      <header className="details-head">
        <h3>Selection</h3>
        {batch !== null && <span className="number">batch {formatCount(batch)}</span>}
        <CommandButton id="view.details" label="Hide details" className="quiet small icon details-close">
          <span aria-hidden="true">×</span>
        </CommandButton>
      </header>
      <div className="details-body">
        {batch === null && (
          <EmptyState
            title="No batch selected"
            reason={any ? 'Click a batch in the timeline or in a table.' : 'Batches appear here once some have run.'}
          />
        )}
        {error && <ErrorState error={error} />}
        {batch !== null && detail && !error && <BatchFacts detail={detail} />}
        <LayerFacts />
      </div>
    </aside>
  );
}

function BatchFacts({ detail }: { detail: BatchDetail }) {
  const { row, decision, times } = detail;
  const { path, kernel } = decidingSteps(decision);
  const steps = [...new Set([path, kernel])].filter((step) => step !== null);
  const other = times.find(({ path }) => path !== row.path);
  return (
    <>
      <Block title="Decision">
        <div className="details-path">
          <KernelLabel kernel={row.kernel} />
          {decision.tileM > 0 && (
            <span className="muted">
              tile{' '}
              <span className="number">
                {decision.tileM} x {decision.tileN}
              </span>
            </span>
          )}
        </div>
        {steps.map((step) => (
          <p key={step.name} className="details-step">
            <span className="details-rule">{step.name}</span>
            <span className="number">{stepText(step)}</span>
            <br />
            <span className="muted">
              leads to {step.leads}; limit from {step.origin.kind}
              {step.origin.where && ` (${step.origin.where})`}
            </span>
          </p>
        ))}
      </Block>
      <Block title="Batch">
        <Facts
          rows={[
            ['Phase', row.phase],
            ['Tokens', formatCount(row.tokens)],
            ['Routed pairs', formatCount(row.routedPairs)],
            ['Unique experts', `${formatCount(row.uniqueExperts)} / ${formatCount(detail.experts)}`],
            ['Most rows per expert', formatCount(row.maxRowsPerExpert)],
            ['Threshold then', row.threshold === 0 ? 'off' : formatCount(row.threshold), row.threshold ? 'tokens' : ''],
          ]}
        />
      </Block>
      <Block title="Measured">
        <Facts
          rows={[
            [
              'Time',
              <span key="t" className="volatile">
                {formatMicroseconds(measuredMicroseconds(row))}
              </span>,
            ],
            [
              'Other path',
              <span key="o" className="volatile">
                {formatMicroseconds(row.otherMicroseconds)}
              </span>,
            ],
            ['NRMSE to other path', formatError(row.nrmse)],
            ['Cosine', formatCosine(row.cosine)],
            ...times.map((time) => [`Workspace ${time.path}`, formatBytes(time.workspaceBytes)] as [string, string]),
          ]}
        />
        {!other && <p className="muted">The other path was not run on this batch.</p>}
        <div className="details-actions">
          <CommandButton id="batch.rerunOther" label="Run on the other path" className="small">
            Run on the other path
          </CommandButton>
          <CommandButton id="batch.nearestOther" label="Nearest on the other path" className="small">
            Nearest other
          </CommandButton>
        </div>
        <p className="muted details-provenance volatile volatile-gone">{detail.provenance}</p>
      </Block>
    </>
  );
}

/** What the layer holds of the GPU's memory. */
function deviceRows({ tensors, reordered, runs, graphs }: DeviceMemory): [string, string][] {
  return [
    ['GPU tensors', formatBytes(tensors)],
    ['GPU reordered copy', formatBytes(reordered)],
    ['GPU run buffers', formatBytes(runs)],
    ['Captured graphs', formatCount(graphs)],
  ];
}

function LayerFacts() {
  const layer = useConnection((state) => state.engine?.layer ?? null);
  const held = useConnection((state) => state.engine?.deviceMemory);
  if (!layer) return null;
  const { shape, bytes } = layer;
  return (
    <Block title="Layer" note={layer.prefix}>
      <Facts
        rows={[
          ['Hidden x intermediate', `${formatCount(shape.hidden)} x ${formatCount(shape.intermediate)}`],
          ['Experts, top-k', `${formatCount(shape.experts)}, ${shape.topK}`],
          ['Activation', `${shape.activation}${shape.gated ? ', gated' : ''}`],
          ['Contract', layer.contract],
          ['FP4 bytes (shared)', formatBytes(bytes.fp4)],
          ['b12x scales', formatBytes(bytes.b12xScales)],
          ['CUTLASS scales', formatBytes(bytes.cutlassScales)],
          ...(held ? deviceRows(held) : []),
        ]}
      />
      {!layer.hybrid.possible && <p className="status-warn">{layer.hybrid.reason}</p>}
    </Block>
  );
}
