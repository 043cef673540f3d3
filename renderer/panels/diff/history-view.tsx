/** One output element of both sides back through slots, slices, K blocks and FC1, with the first places where they part. */
import type { Diff } from '../../../electron/contract/batch';
import type { ElementHistory, Parting, SideHistory } from '../../../electron/contract/element';
import { CopyButton } from '../../frame/copy-button';
import { KernelLabel } from '../../frame/kernel-label';
import { Block, EmptyState, ErrorState } from '../../frame/panel-frame';
import { useRequest } from '../../stores/use-request';
import { shortValue } from '../../tensorview/exact';
import { Fc1View } from './history-fc1';
import { historyJson } from './history-rows';
import { SlotView } from './history-slot';
import { type HistoryElement, sideTitles, useDiff } from './state';
import './history.css';

/** A side with a history, or null where there is only a reason. */
export function sideOf(side: ElementHistory['a']): SideHistory | null {
  return 'reason' in side ? null : side;
}

const stepTitles: Record<Parting['step'], string> = {
  x: 'quantized x',
  w13: 'W13',
  fc1: 'FC1',
  activation: 'activation',
  requantized: 'requantized activation',
  w2: 'W2',
  fc2: 'FC2',
  contribution: 'contribution',
  y: 'y',
};

export function HistoryView({ diff, element, layerKey }: { diff: Diff; element: HistoryElement; layerKey: string }) {
  const { batch, a, b } = diff;
  const history = useRequest('diff.history', { batch, a, b, ...element }, layerKey);
  const close = (
    <button type="button" className="button small" onClick={() => useDiff.setState({ history: null })}>
      Back to the map
    </button>
  );
  const { data } = history;
  return (
    <Block
      title={`History of y[token ${element.token}, column ${element.column}]`}
      className="history-block"
      actions={
        <>
          {data && <CopyButton text={historyJson(data)} what="the history as JSON" />}
          {close}
        </>
      }
    >
      {history.error && <ErrorState error={history.error} />}
      {!history.error && !data && <EmptyState title="Tracing" reason="The token is run again with everything kept." />}
      {data && <History history={data} diff={diff} />}
    </Block>
  );
}

function History({ history, diff }: { history: ElementHistory; diff: Diff }) {
  const a = sideOf(history.a);
  const b = sideOf(history.b);
  const slots = a?.slots ?? b?.slots ?? [];
  return (
    <div className="history" data-testid="diff-history">
      <div className="history-sides">
        <SideHead name={sideTitles[diff.a]} side={history.a} />
        <SideHead name={sideTitles[diff.b]} side={history.b} />
      </div>
      {a && b && (
        <Partings
          partings={history.partings}
          names={[sideTitles[diff.a], sideTitles[diff.b]]}
          from={a.fc1 ? 'x' : 'the activation'}
        />
      )}
      {slots.map(({ slot }, index) => (
        <SlotView
          key={slot}
          a={a}
          b={b}
          index={index}
          names={[sideTitles[diff.a], sideTitles[diff.b]]}
          fc1={
            (a?.fc1 ?? b?.fc1)?.slot === slot ? (
              <Fc1View a={a?.fc1 ?? null} b={b?.fc1 ?? null} names={[sideTitles[diff.a], sideTitles[diff.b]]} />
            ) : null
          }
        />
      ))}
    </div>
  );
}

function SideHead({ name, side }: { name: string; side: ElementHistory['a'] }) {
  if ('reason' in side)
    return (
      <div className="history-side">
        <b>{name}</b> <span className="muted">{side.reason}</span>
      </div>
    );
  return (
    <div className="history-side selectable">
      <b>{name}</b> <span className="number">{shortValue(side.y, 8)}</span> <KernelLabel kernel={side.kernel} />{' '}
      {side.tileM > 0 && (
        <span className="muted">
          tile {side.tileM}×{side.tileN}
        </span>
      )}
      <span className="muted history-reduction" title={side.reduction}>
        {side.reduction}
      </span>
    </div>
  );
}

interface PartingsProps {
  partings: readonly Parting[];
  names: readonly [string, string];
  /** where the history begins: without FC1 nothing is said of what lies before the activation */
  from: string;
}

function Partings({ partings, names, from }: PartingsProps) {
  const [first, ...rest] = partings;
  if (!first) return <p className="history-text">The two are equal all the way from {from}.</p>;
  return (
    <details className="history-partings">
      <summary>
        From {from}, the two part first at <PartingText parting={first} names={names} />
        {rest.length > 0 && <span className="muted"> and {rest.length} later steps</span>}
      </summary>
      {rest.map((parting) => (
        <p key={parting.step} className="history-text">
          <PartingText parting={parting} names={names} />
        </p>
      ))}
    </details>
  );
}

function PartingText({ parting, names }: { parting: Parting; names: readonly [string, string] }) {
  const { step, slot, at, a, b } = parting;
  return (
    <span className="selectable" data-step={step}>
      <b>{stepTitles[step]}</b>
      {slot >= 0 ? `, slot ${slot}` : ''}, {at}: {names[0]} <span className="number">{shortValue(a, 8)}</span>,{' '}
      {names[1]} <span className="number">{shortValue(b, 8)}</span>
    </span>
  );
}
