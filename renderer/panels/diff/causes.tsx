/** The block that measures causes: its button, why it cannot, and the shortest form of what was found. */
import { useEffect } from 'react';
import type { Diff } from '../../../electron/contract/batch';
import type { DiffExplanation } from '../../../electron/contract/explanation';
import { invoke } from '../../commands/registry';
import { Block, ErrorState } from '../../frame/panel-frame';
import { causeRows, shareDomain, shareText } from './causes-rows';
import { Verdicts } from './diagnosis';
import { cancelExplanation, useExplanation } from './explanation';
import { RecordedCauses } from './recorded-causes';
import { ShareBar } from './share-bar';
import { comparisonKey, useDiff } from './state';
import './causes.css';

export function CausesBlock({ diff }: { diff: Diff }) {
  const { of, found, error, running } = useExplanation();
  const key = comparisonKey(diff.batch, diff);
  useEffect(
    () => () => {
      // Another comparison ends the measurement of the one before; its own may be under way already.
      if (useExplanation.getState().of === key) cancelExplanation();
    },
    [key],
  );
  const own = of === key;
  const { explain: reason } = diff.cannot;
  return (
    <Block
      title="Causes"
      note="shares of the squared error"
      actions={
        own && running ? (
          <button type="button" className="button small" onClick={cancelExplanation}>
            Cancel
          </button>
        ) : (
          !(own && found) && (
            <button
              type="button"
              className="button small"
              disabled={reason !== ''}
              title={reason || undefined}
              onClick={() => invoke('diff.causes')}
            >
              Measure causes
            </button>
          )
        )
      }
    >
      {own && error && <ErrorState error={error} onDismiss={() => useExplanation.setState({ error: null })} />}
      {own && found ? <Summary found={found} /> : <Hint diff={diff} running={own && running} />}
    </Block>
  );
}

function Hint({ diff, running }: { diff: Diff; running: boolean }) {
  const { cannot, recorded, stages } = diff;
  if (running)
    return (
      <p className="muted cause-text">
        Every stage is held against its documented pipeline, then one cause at a time is undone and the output computed
        again.
      </p>
    );
  if (cannot.explain === '')
    return (
      <p className="muted cause-text">
        Undoes one cause at a time in a model of both pipelines and says how much of the squared error each carries.
      </p>
    );
  const measured = stages.find(({ stage }) => stage === 'output')?.comparison?.nrmse ?? null;
  return (
    <>
      <p className="muted cause-text">{cannot.explain}</p>
      {recorded && <RecordedCauses recorded={recorded} measured={measured} />}
    </>
  );
}

const shownCauses = 3;

function Summary({ found }: { found: DiffExplanation }) {
  const open = useExplanation((state) => state.open);
  const history = useDiff((state) => state.history);
  if (found.causes.length === 0)
    return <p className="muted cause-text">The two outputs are equal: there is no error to share out.</p>;
  const rows = causeRows(found);
  const domain = shareDomain(rows);
  const causes = rows.filter(({ kind, share }) => kind !== 'remainder' && share !== 0).slice(0, shownCauses);
  const rest = rows.filter(({ id }) => id === 'rest');
  const show = () => {
    useExplanation.setState({ open: true });
    useDiff.setState({ history: null });
  };
  return (
    <div className="causes-summary" data-testid="diff-causes-summary">
      <Verdicts found={found} />
      {[...causes, ...rest].map((row) => (
        <div key={row.id} className="cause-line">
          <span className={row.kind === 'remainder' ? 'cause-name muted' : 'cause-name'} title={row.explanation}>
            {row.name}
          </span>
          <ShareBar row={row} domain={domain} />
          <span className="number">{shareText(row.share)}</span>
        </div>
      ))}
      {(!open || history !== null) && (
        <button type="button" className="button small" onClick={show}>
          Show all causes
        </button>
      )}
    </div>
  );
}
