/** "Try every layout": asks the native search and puts its answer into words. */
import { AppError } from '../../contract/errors';
import type { LayoutCandidate, LayoutEvidence, LayoutSearch } from '../../contract/layouts';
import type { NativeBinding, TaskOptions } from '../native/binding';
import type { LayoutBinding, LayoutQuestion, NativeLayoutSearch } from '../native/layout-binding';
import type { Source } from '../run/source';
import { findTensor } from '../tensors/catalog';
import { blockElements, logicalShape } from '../tensors/logical-shape';
import { codesTensor } from '../tensors/pick';

type NativeCandidate = NativeLayoutSearch['candidates'][number];

const orderNames: Record<LayoutCandidate['order'], string> = {
  linear: 'linear',
  sf128x4: '128x4 swizzle (6D MMA view)',
  sf8x4: '8x4 swizzle',
  mma6d: '6D MMA view, copied contiguous',
  transposed: 'transposed',
};
const halvesNames: Record<LayoutCandidate['halves'], string> = {
  'as-said': '',
  'scales-swapped': 'gate/up swapped in the scales',
  'weights-swapped': 'gate/up swapped in the weights',
  'both-swapped': 'gate/up swapped in both',
};

function nameOf({ order, padded, halves, nibbles }: NativeCandidate, evidence: LayoutEvidence): string {
  // Without a reference a swap is seen only between scales and weights.
  const swapped =
    evidence === 'weights' && halves === 'scales-swapped' ? 'gate/up swapped against the weights' : halvesNames[halves];
  return [orderNames[order] + (padded ? ', padded' : ''), swapped, nibbles === 'high-first' ? 'high nibble first' : '']
    .filter((part) => part !== '')
    .join(', ');
}

const hasReference = (evidence: LayoutEvidence) => evidence.startsWith('reference');

function candidateOf(
  candidate: NativeCandidate,
  best: number,
  { evidence }: Pick<NativeLayoutSearch, 'evidence'>,
): LayoutCandidate {
  const { order, padded, halves, nibbles, possible, bytes, probability } = candidate;
  const reference = hasReference(evidence);
  return {
    order,
    padded,
    halves,
    nibbles,
    name: nameOf(candidate, evidence),
    possible,
    bytes,
    behind: possible ? best - candidate.logLikelihood : null,
    probability,
    coupling: possible && evidence === 'weights' ? candidate.coupling : null,
    rowShare: possible && !reference ? candidate.rowShare : null,
    nrmse: possible && reference ? candidate.nrmse : null,
    sameAs: candidate.sameAs < 0 ? null : candidate.sameAs,
  };
}

const referenceNeeded = 'a reference: the weights before quantization, or an input and the output of this projection';

/** What turns scales and weights alike, or leaves each block's set of codes as it is, cannot show in them. */
function undecidedOf(evidence: LayoutEvidence, gated: boolean): LayoutSearch['undecided'] {
  if (hasReference(evidence)) return [];
  const open: LayoutSearch['undecided'] = [];
  if (evidence === 'structure')
    open.push({
      question: 'the order itself',
      why: 'Scales alone show only that some orders keep rows together better than others.',
      needs: 'the packed weights that these scales belong to',
    });
  if (gated)
    open.push({
      question: 'gate/up order of weights and scales together',
      why: 'Both halves look alike: a swap of weights and scales together changes nothing between them.',
      needs: referenceNeeded,
    });
  open.push({
    question: 'nibble order of the weights',
    why: 'Both nibbles of a byte lie in one block: swapping them leaves each block the same set of codes.',
    needs: referenceNeeded,
  });
  return open;
}

function verdictOf({ confidence, explained }: NativeLayoutSearch): LayoutSearch['verdict'] {
  if (!explained || confidence < 0.9) return 'undecided';
  return confidence >= 0.999 ? 'certain' : 'likely';
}

function summaryOf(found: NativeLayoutSearch): string {
  const [winner] = found.candidates as [NativeCandidate, ...NativeCandidate[]];
  const name = nameOf(winner, found.evidence);
  if (found.evidence === 'structure')
    return `Nothing decides: without the weights the scales alone favour ${name}, which proves nothing.`;
  if (!found.explained) {
    const measure = hasReference(found.evidence)
      ? `relative error ${winner.nrmse.toFixed(3)}, at most 0.2 would fit`
      : `coupling ${winner.coupling.toFixed(3)}, below -0.15 would fit`;
    return `No layout explains ${hasReference(found.evidence) ? 'the reference' : 'the weights'}: the best is ${name} (${measure}). The scales may belong to other weights.`;
  }
  const fit = hasReference(found.evidence)
    ? `relative error ${winner.nrmse.toFixed(3)}`
    : `coupling ${winner.coupling.toFixed(3)}`;
  return `${name}: ${fit} over ${found.blocks} block scales.`;
}

/**
 * Ranks the layouts of a raw block-scale tensor.
 * @param name tensor as the user named it
 * @throws AppError `wrong-shape`, `wrong-dtype`, `usage` of the native search
 */
export async function searchLayouts(
  binding: LayoutBinding,
  name: string,
  question: LayoutQuestion,
  task: TaskOptions = {},
): Promise<LayoutSearch> {
  const found = await binding.searchLayout(question, task);
  const best = found.candidates[0]?.logLikelihood ?? 0;
  const { planes, rows, columns, gated } = question;
  return {
    tensor: name,
    planes,
    rows,
    columns,
    bytes: question.scales.info().bytes,
    evidence: found.evidence,
    blocks: found.blocks,
    verdict: verdictOf(found),
    confidence: found.confidence,
    explained: found.explained,
    summary: summaryOf(found),
    candidates: found.candidates.map((candidate) => candidateOf(candidate, best, found)),
    undecided: undecidedOf(found.evidence, gated),
  };
}

/** For a block-scale tensor of a layer or a batch, against the FP4 codes that it scales. Throws `bad-option` for other tensors. */
export async function layoutsOfTensor(
  binding: NativeBinding,
  source: Source,
  { id, batch }: { id: string; batch?: number | undefined },
  task: TaskOptions = {},
): Promise<LayoutSearch> {
  const entry = await findTensor(binding, source, id, batch, task.cancel);
  if (entry.role !== 'block-scale')
    throw new AppError({
      code: 'bad-option',
      message: `${id} holds no block scales: it has no layout to try.`,
      subject: id,
      expected: 'a block-scale tensor',
      found: entry.role,
    });
  const shape = logicalShape({ ...entry.tensor.info(), name: entry.name }, source.shape);
  const codes = await codesTensor(binding, source, await source.layerTensors(), entry, batch, task.cancel);
  const fits = codes && codes.tensor.info().bytes === (shape.planes * shape.rows * shape.columns * blockElements) / 2;
  return searchLayouts(
    binding,
    id,
    {
      scales: entry.tensor,
      ...shape,
      gated: entry.set !== 'batch' && source.shape.gated && entry.name.startsWith('w1'),
      ...(fits && { codes: codes.tensor }),
    },
    task,
  );
}
