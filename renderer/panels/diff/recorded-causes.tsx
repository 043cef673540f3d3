/** What a recording knows of causes without its layer: the NRMSE that each published step of the contract alone produces. */
import type { Diff } from '../../../electron/contract/batch';
import { formatError } from '../../format/numbers';
import './recorded-causes.css';

export interface RecordedCausesProps {
  recorded: NonNullable<Diff['recorded']>;
  /** NRMSE of the output of the pair shown */
  measured: number | null;
}

export function RecordedCauses({ recorded: { causes, floor }, measured }: RecordedCausesProps) {
  const most = Math.max(1e-12, floor ?? 0, measured ?? 0, ...causes.map(({ nrmse }) => nrmse));
  return (
    <div className="recorded-causes" data-testid="diff-recorded-causes">
      <p className="muted">Measured when it was recorded: NRMSE with one step of the contract left in at a time.</p>
      {measured !== null && <Bar name="Measured, output" nrmse={measured} most={most} kind="measured" />}
      {causes.map((cause) => (
        <Bar
          key={cause.id}
          name={cause.name}
          title={`${cause.explanation} ${cause.reference}`}
          nrmse={cause.nrmse}
          most={most}
          kind={cause.id === 'rounding' ? 'floor' : 'cause'}
        />
      ))}
      <p className="muted">They do not add up: errors combine by their squares, and a step can hide another.</p>
    </div>
  );
}

interface BarProps {
  name: string;
  title?: string;
  nrmse: number;
  most: number;
  kind: 'measured' | 'cause' | 'floor';
}

function Bar({ name, title = name, nrmse, most, kind }: BarProps) {
  return (
    <div className={`recorded-bar ${kind}`}>
      <span className="recorded-name" title={title}>
        {name}
      </span>
      <span className="recorded-track" role="img" aria-label={`${name}: NRMSE ${formatError(nrmse)}`}>
        <span style={{ width: `${Math.min(100, (nrmse / most) * 100)}%` }} />
      </span>
      <span className="number">{formatError(nrmse)}</span>
    </div>
  );
}
