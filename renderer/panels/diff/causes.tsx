/** Causes with the NRMSE that each alone produces, as bars beside what is measured and what rounding alone gives. */
import type { Cause } from '../../../electron/contract/batch';
import { formatError } from '../../format/numbers';
import './causes.css';

export interface CausesProps {
  causes: readonly Cause[];
  /** NRMSE of the same pair under `clean`; null = not measured */
  floor: number | null;
  /** NRMSE of the output of the pair shown */
  measured: number | null;
  /** why there are no causes */
  empty: string;
}

export function Causes({ causes, floor, measured, empty }: CausesProps) {
  const most = Math.max(1e-12, floor ?? 0, measured ?? 0, ...causes.map(({ nrmse }) => nrmse));
  if (causes.length === 0 && floor === null) return <p className="muted causes-empty">{empty}</p>;
  return (
    <div className="causes" data-testid="diff-causes">
      {measured !== null && <Bar name="Measured, output" nrmse={measured} most={most} kind="measured" />}
      {causes.map((cause) => (
        <div key={cause.id} className="cause" data-cause={cause.id}>
          <Bar name={cause.name} nrmse={cause.nrmse} most={most} kind="cause" />
          <p className="muted selectable">
            {cause.explanation} <span className="cause-reference">{cause.reference}</span>
          </p>
        </div>
      ))}
      {causes.length === 0 && <p className="muted">No step of this contract changes a scale: only rounding is left.</p>}
      {floor === null ? (
        <p className="muted">The floor (the same pair under “clean”) was not measured here.</p>
      ) : (
        <Bar name="Floor: rounding alone (clean)" nrmse={floor} most={most} kind="floor" />
      )}
      <p className="muted">
        Each bar is the NRMSE with only that cause left in. They do not add up: errors combine by their squares, and a
        cause can hide another.
      </p>
    </div>
  );
}

interface BarProps {
  name: string;
  nrmse: number;
  most: number;
  kind: 'measured' | 'cause' | 'floor';
}

function Bar({ name, nrmse, most, kind }: BarProps) {
  return (
    <div className={`cause-bar ${kind}`}>
      <span className="cause-name" title={name}>
        {name}
      </span>
      <span className="cause-track" role="img" aria-label={`${name}: NRMSE ${formatError(nrmse)}`}>
        <span style={{ width: `${Math.min(100, (nrmse / most) * 100)}%` }} />
      </span>
      <span className="number">{formatError(nrmse)}</span>
    </div>
  );
}
