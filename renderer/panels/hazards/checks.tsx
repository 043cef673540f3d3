/** Every hazard that was looked for: what was looked at, or why it was not; in full, since this is what "clear" rests on. */
import type { HazardCheck } from '../../../electron/contract/hazards';

export function Checks({ checks }: { checks: readonly HazardCheck[] }) {
  return (
    <table className="checks" aria-label="Checks" data-testid="hazards-checks">
      <thead>
        <tr>
          <th scope="col">outcome</th>
          <th scope="col">hazard</th>
          <th scope="col">looked at, or why not</th>
        </tr>
      </thead>
      <tbody>
        {checks.map(({ id, outcome, what }) => (
          <tr key={id}>
            <td className={`outcome ${outcome}`}>{outcome.replace('-', ' ')}</td>
            <td className="selectable">{id}</td>
            <td className="selectable">{what}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
