/** Whether a side follows its documented pipeline, as far as its stages were observed; what was named where it does not. */
import type { DiffExplanation } from '../../../electron/contract/explanation';
import { formatCount } from '../../format/numbers';
import { shareText, siteName } from './causes-rows';
import { sideTitles, stageTitles } from './state';

type Diagnosis = NonNullable<DiffExplanation['diagnosis']>;

/** One sentence: what was named, else that nothing had to be. */
export function Verdict({ found, diagnosis }: { found: DiffExplanation; diagnosis: Diagnosis }) {
  const { deviations, segments } = diagnosis;
  const side = sideTitles[found.a];
  const [first] = deviations;
  if (first)
    return (
      <p className="verdict differs">
        ▲ <strong>{first.name}</strong> ({siteName(first.site)}), seen in {side} at {stageTitles[first.stage]}: explains{' '}
        <span className="number">{shareText(first.explained)}</span> of what the documented pipeline does not
      </p>
    );
  const left = segments.filter(({ mismatchAfter, floor }) => mismatchAfter > floor);
  return (
    <p className="verdict">
      {left.length === 0
        ? `${side} follows its documented pipeline: no fault was named.`
        : `${side} is not quite its documented pipeline (${left.map(({ stage }) => stageTitles[stage]).join(', ')}), but too little differs to name a fault.`}
    </p>
  );
}

/** All that was named with what it cannot be told from, and the compared stages. */
export function DiagnosisDetails({ found, diagnosis }: { found: DiffExplanation; diagnosis: Diagnosis }) {
  const { deviations, segments } = diagnosis;
  return (
    <div className="diagnosis">
      {deviations.slice(1).map((one) => (
        <p key={`${one.cause}/${one.site}/${one.variant}`} className="verdict differs">
          ▲ {one.name} ({siteName(one.site)}) at {stageTitles[one.stage]}:{' '}
          <span className="number">{shareText(one.explained)}</span>
        </p>
      ))}
      {deviations.map(({ cause, site, alternatives, name }) =>
        alternatives.length === 0 ? null : (
          <p key={`${cause}/${site}`} className="muted">
            {name} is not told apart from {[...new Set(alternatives.map((other) => other.name))].join(', ')}.
          </p>
        ),
      )}
      <table className="diagnosis-table" aria-label={`${sideTitles[found.a]} against its documented pipeline`}>
        <thead>
          <tr>
            <th scope="col">{sideTitles[found.a]} against its documented pipeline</th>
            <th scope="col">compared</th>
            <th scope="col">differ</th>
            <th scope="col" title="share that is left with what was named">
              left
            </th>
            <th scope="col" title="share that the order of additions makes by itself">
              order alone
            </th>
          </tr>
        </thead>
        <tbody>
          {segments.map(({ stage, compared, mismatchBefore, mismatchAfter, floor }) => (
            <tr key={stage}>
              <th scope="row">{stageTitles[stage]}</th>
              <td className="number">{formatCount(compared)}</td>
              <td className="number">{shareText(mismatchBefore)}</td>
              <td className="number">{shareText(mismatchAfter)}</td>
              <td className="number">{shareText(floor)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {!found.observed.includes('fc1') && (
        <p className="muted">
          Only the output was recorded: faults are looked for by its distance. With taps every stage is looked at.
        </p>
      )}
      <p className="muted">Faults are looked for in {sideTitles[found.a]}; swap the sides to look at the other.</p>
    </div>
  );
}
