/** Whether the sides follow their documented pipelines, as far as their stages are known; what was named where they do not. */
import type { Side } from '../../../electron/contract/batch';
import type { DiffExplanation, NamedDiagnosis } from '../../../electron/contract/explanation';
import { formatCount } from '../../format/numbers';
import { shareText, siteName } from './causes-rows';
import { sideTitles, stageTitles } from './state';

interface Diagnosed {
  side: Side;
  diagnosis: NamedDiagnosis;
}

function diagnosedSides({ a, b, diagnosis }: DiffExplanation): Diagnosed[] {
  return [
    ...(diagnosis.a ? [{ side: a, diagnosis: diagnosis.a }] : []),
    ...(diagnosis.b ? [{ side: b, diagnosis: diagnosis.b }] : []),
  ];
}

/** What was named first, side by side; else one sentence that nothing had to be. */
export function Verdicts({ found }: { found: DiffExplanation }) {
  const sides = diagnosedSides(found);
  const faults = sides.filter(({ diagnosis }) => diagnosis.deviations.length > 0);
  const clean = sides.filter(({ diagnosis }) => diagnosis.deviations.length === 0 && !leftOver(diagnosis));
  const unnamed = sides.filter(({ diagnosis }) => diagnosis.deviations.length === 0 && leftOver(diagnosis));
  return (
    <>
      {faults.flatMap(({ side, diagnosis }) =>
        diagnosis.deviations.map(({ cause, site, variant, name, stage, explained }) => (
          <p key={`${side}/${cause}/${site}/${variant}`} className="verdict differs">
            ▲ <strong>{name}</strong> ({siteName(site)}), seen in {sideTitles[side]} at {stageTitles[stage]}: explains{' '}
            <span className="number">{shareText(explained)}</span> of what its documented pipeline does not
          </p>
        )),
      )}
      {unnamed.map(({ side, diagnosis }) => (
        <p key={side} className="verdict">
          {sideTitles[side]} is not quite its documented pipeline ({leftOver(diagnosis)}), but too little differs to
          name a fault.
        </p>
      ))}
      {clean.length > 0 && (
        <p className="verdict">
          {clean.map(({ side }) => sideTitles[side]).join(' and ')}{' '}
          {clean.length > 1 ? 'follow their documented pipelines' : 'follows its documented pipeline'}: no fault was
          named.
        </p>
      )}
    </>
  );
}

/** Stages of which more differs than the order of additions explains; empty: none. */
function leftOver({ segments }: NamedDiagnosis): string {
  const left = segments.filter(({ mismatchAfter, floor }) => mismatchAfter > floor);
  return left.map(({ stage }) => stageTitles[stage]).join(', ');
}

/** What the named causes cannot be told from, and the compared stages of each side. */
export function DiagnosisDetails({ found }: { found: DiffExplanation }) {
  const sides = diagnosedSides(found);
  const outputOnly = sides.filter(({ diagnosis }) => diagnosis.segments.every(({ stage }) => stage === 'output'));
  return (
    <div className="diagnosis">
      {sides.flatMap(({ side, diagnosis }) =>
        diagnosis.deviations
          .filter(({ alternatives }) => alternatives.length > 0)
          .map(({ cause, site, name, alternatives }) => (
            <p key={`${side}/${cause}/${site}`} className="muted">
              {name} is not told apart from {[...new Set(alternatives.map((other) => other.name))].join(', ')}.
            </p>
          )),
      )}
      {sides.map(({ side, diagnosis }) => (
        <Segments key={side} side={side} diagnosis={diagnosis} />
      ))}
      {outputOnly.length > 0 && (
        <p className="muted">
          Of {outputOnly.map(({ side }) => sideTitles[side]).join(' and ')} only the output is known: faults are looked
          for by its distance. With taps every stage is looked at.
        </p>
      )}
    </div>
  );
}

function Segments({ side, diagnosis }: Diagnosed) {
  return (
    <table className="diagnosis-table" aria-label={`${sideTitles[side]} against its documented pipeline`}>
      <thead>
        <tr>
          <th scope="col">{sideTitles[side]} against its documented pipeline</th>
          <th scope="col" title="blocks of 16 of quantized stages, elements of the others">
            compared
          </th>
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
        {diagnosis.segments.map(({ stage, compared, mismatchBefore, mismatchAfter, floor }) => (
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
  );
}
