import type { Severity } from '../../../electron/contract/hazards';

/** Shape and word beside the colour, so that it reads without colours. */
const marks: Readonly<Record<Severity, string>> = { error: '■', warning: '▲', info: '●' };

export function SeverityLabel({ severity }: { severity: Severity }) {
  return (
    <span className={`severity ${severity}`}>
      <span aria-hidden="true">{marks[severity]}</span> {severity}
    </span>
  );
}
