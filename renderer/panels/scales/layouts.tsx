/** "Try every layout": the orders in which the shown block scales may be stored, ranked by what they explain. */
import type { LayoutCandidate, LayoutSearch } from '../../../electron/contract/layouts';
import type { TensorDescriptor } from '../../../electron/contract/tensor';
import { CopyButton } from '../../frame/copy-button';
import { Block, ErrorState } from '../../frame/panel-frame';
import { useRequest } from '../../stores/use-request';
import { useScales } from './state';
import './layouts.css';

export interface LayoutsProps {
  tensor: TensorDescriptor;
  /** batch of a `batch/...` tensor */
  batch: number | null;
  layerKey: string;
}

export function Layouts({ tensor, batch, layerKey }: LayoutsProps) {
  const asked = useScales((state) => state.layouts) === tensor.id;
  const which = { id: tensor.id, ...(batch !== null && { batch }) };
  const { data, error, loading } = useRequest('tensor.layouts', asked ? which : null, layerKey, tensor.id);
  const stored = tensor.layout === 'mma6d' ? 'sf128x4' : tensor.layout;
  return (
    <Block
      title="Layout"
      note={`stored ${tensor.layout}`}
      actions={
        data ? (
          <CopyButton what="the ranking as JSON" text={JSON.stringify(data)} />
        ) : (
          <button
            type="button"
            className="button small"
            disabled={loading}
            title="Ranks linear, 128x4, 8x4, 6D MMA, transposed and swapped halves by how well each explains the weights"
            onClick={() => useScales.setState({ layouts: tensor.id })}
          >
            Try every layout
          </button>
        )
      }
    >
      {error && <ErrorState error={error} />}
      {loading && !data && <p className="muted scales-hint">Trying…</p>}
      {data && <Ranking found={data} stored={stored} />}
    </Block>
  );
}

/** A probability so that neither a sure nor a lost one looks like another. */
export function probabilityText(probability: number): string {
  if (probability > 0.999) return '> 99.9 %';
  if (probability < 0.001) return '< 0.1 %';
  return `${(probability * 100).toFixed(1)} %`;
}

/** Whether the order that explains the scales best is the one that they are said to be stored in. */
export function agreement({ verdict, candidates }: LayoutSearch, stored: string): 'as stored' | 'differs' | 'open' {
  const [winner] = candidates;
  if (verdict === 'undecided' || !winner) return 'open';
  return winner.order === stored && winner.halves === 'as-said' && !winner.padded ? 'as stored' : 'differs';
}

/** Three decimals, and no minus before what is written as zero. */
const measureText = (measure: number | null | undefined): string =>
  measure === null || measure === undefined ? '' : measure.toFixed(3).replace(/^-(0\.000)$/, '$1');
const measureOf = ({ nrmse, coupling, rowShare }: LayoutCandidate) => nrmse ?? coupling ?? rowShare;
const measureNames: Record<LayoutSearch['evidence'], [string, string]> = {
  structure: ['between rows', 'share of the variance of log scale that lies between rows'],
  weights: ['coupling', 'correlation of log scale with log rms of the codes; about -0.55 where it fits, 0 where not'],
  'reference-weights': ['error', 'relative RMS error against the reference'],
  'reference-output': ['error', 'relative RMS error against the reference'],
};

function Ranking({ found, stored }: { found: LayoutSearch; stored: string }) {
  const [measure, meaning] = measureNames[found.evidence];
  const said = agreement(found, stored);
  return (
    <div className="layouts" data-testid="scales-layouts" data-verdict={found.verdict}>
      <p className={said === 'differs' ? 'layouts-verdict differs' : 'layouts-verdict'}>
        <strong>{found.verdict}</strong>, confidence {probabilityText(found.confidence)}
        {said === 'as stored' && ': stored as its layout says'}
        {said === 'differs' && ': NOT as its layout says'}
      </p>
      <p className="muted scales-hint selectable">{found.summary}</p>
      <table className="pick-table" aria-label="Layouts, best first">
        <thead>
          <tr>
            <th>layout</th>
            <th>probability</th>
            <th title={meaning}>{measure}</th>
          </tr>
        </thead>
        <tbody>
          {found.candidates.map((candidate) => (
            <tr
              key={`${candidate.name}/${candidate.nibbles}`}
              className={candidate.possible ? undefined : 'layouts-impossible'}
            >
              <td title={candidate.possible ? candidate.name : `would take ${candidate.bytes} bytes`}>
                {candidate.name}
              </td>
              <td className="number">
                {!candidate.possible
                  ? 'size'
                  : candidate.sameAs === null
                    ? probabilityText(candidate.probability)
                    : 'same'}
              </td>
              <td className="number">{candidate.possible ? measureText(measureOf(candidate)) : ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {found.undecided.map(({ question, why, needs }) => (
        <p key={question} className="muted scales-hint">
          Not decided: {question}. {why} It needs {needs} (<code>moescope layout --reference</code>).
        </p>
      ))}
    </div>
  );
}
