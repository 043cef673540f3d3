/** The chain of rules that chose path, kernel and tile, in the order they were asked. */
import { decidingSteps } from '../../../electron/contract/deciding-steps';
import type { Decision, DecisionStep } from '../../../electron/contract/layer';
import { ExportButtons } from '../../charts/export-buttons';
import { toCsv } from '../../format/csv';
import { Block } from '../../frame/panel-frame';
import { kernelColor, kernelNames } from '../../theme/palette';
import { plain } from './step-text';

const widths = ['28%', '8%', '4%', '7%', '14%', '7%', '17%', '15%'];

export function DecisionChain({ decision }: { decision: Decision }) {
  const deciding = decidingSteps(decision);
  const csv = () =>
    toCsv(
      ['step', 'value', 'comparison', 'limit', 'unit', 'outcome', 'leads to', 'limit from', 'where'],
      decision.steps.map((step) => [
        step.name,
        step.value,
        step.comparison,
        step.limit,
        step.unit,
        step.outcome,
        step.leads,
        step.origin.kind,
        step.origin.where,
      ]),
    );
  return (
    <Block
      title="Decision chain"
      note={`rules ${decision.rules}`}
      actions={<ExportButtons name="decision-chain" csv={csv} />}
    >
      {decision.steps.length === 0 ? (
        <p className="muted">No rule was asked: the path was given.</p>
      ) : (
        <table className="chain" data-testid="decision-chain">
          <colgroup>
            {widths.map((width, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: eight fixed columns
              <col key={at} style={{ width }} />
            ))}
          </colgroup>
          <thead>
            <tr>
              <th>Rule</th>
              <th className="right">Value</th>
              <th />
              <th>Limit</th>
              <th>Unit</th>
              <th>Holds</th>
              <th>Leads to</th>
              <th>Limit from</th>
            </tr>
          </thead>
          <tbody>
            {decision.steps.map((step, at) => (
              <Step
                // biome-ignore lint/suspicious/noArrayIndexKey: the chain is an ordered list; a rule may be asked twice
                key={at}
                step={step}
                decided={step === deciding.path || step === deciding.kernel}
                current={step === deciding.kernel}
                color={kernelColor(decision.kernel)}
              />
            ))}
          </tbody>
        </table>
      )}
      <p className="chain-result">
        <i className="kernel-swatch" style={{ background: kernelColor(decision.kernel) }} />
        {kernelNames[decision.kernel]}
        {decision.tileM > 0 && (
          <span className="muted">
            tile M x N <span className="number">{`${decision.tileM} x ${decision.tileN}`}</span>
          </span>
        )}
      </p>
    </Block>
  );
}

interface StepProps {
  step: DecisionStep;
  /** chose the path or the kernel */
  decided: boolean;
  /** had the last word */
  current: boolean;
  color: string;
}

function Step({ step, decided, current, color }: StepProps) {
  return (
    <tr className={decided ? 'decided' : ''} aria-current={current ? 'step' : undefined}>
      <td title={step.name} style={decided ? { boxShadow: `inset 3px 0 0 ${color}` } : undefined}>
        {step.name}
      </td>
      <td className="number right">{plain(step.value)}</td>
      <td className="number comparison">{step.comparison}</td>
      <td className="number">{plain(step.limit)}</td>
      <td className="muted">{step.unit}</td>
      <td className={step.outcome ? 'holds' : 'muted'}>{step.outcome ? 'yes' : 'no'}</td>
      <td title={step.leads}>{step.leads}</td>
      <td title={`${step.origin.kind} ${step.origin.where}`}>
        {step.origin.kind}
        {step.origin.where && <span className="muted"> {step.origin.where}</span>}
      </td>
    </tr>
  );
}
