/** One finding in full: numbers, why it matters, where it is known from, what to do. */
import type { Finding } from '../../../electron/contract/hazards';
import { CopyButton } from '../../frame/copy-button';
import { Block, Facts } from '../../frame/panel-frame';
import { openInScales } from './commands';
import { expertsText, measuredRows } from './measured';
import { SeverityLabel } from './severity';

export function FindingCard({ finding }: { finding: Finding }) {
  const { id, title, severity, tensor, projection, experts, measured, explanation, reference, remedy } = finding;
  return (
    <>
      <Block title="Finding" actions={<CopyButton what="finding as JSON" text={JSON.stringify(finding)} />}>
        <p className="finding-place">
          <SeverityLabel severity={severity} /> <code className="mono selectable">{id}</code>
        </p>
        <p className="finding-title selectable">{title}</p>
        <p className="selectable">{explanation}</p>
        <h4>What to do</h4>
        <p className="selectable">{remedy}</p>
        <h4>Known from</h4>
        <p className="muted selectable">{reference}</p>
      </Block>
      <Block
        title="Where"
        actions={
          tensor !== null && (
            <button type="button" className="button small" onClick={() => void openInScales(finding)}>
              Open in Scales
            </button>
          )
        }
      >
        <Facts
          rows={[
            ['Tensor', tensor ?? '-'],
            ['Projection', projection ?? '-'],
            ['Experts', experts.length === 0 ? 'the whole layer' : expertsText(experts)],
            ...(experts.length > 1 ? [['Worst first', experts.slice(0, 8).join(', ')] as const] : []),
          ]}
        />
      </Block>
      <Block title="Measured">
        <Facts rows={measuredRows(measured)} />
      </Block>
    </>
  );
}
