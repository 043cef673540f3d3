/** The shares of an explanation as rows of a table, and how they are written. */
import type { DiffExplanation } from '../../../electron/contract/explanation';

export interface CauseRow {
  id: string;
  name: string;
  /** fault: found in what was observed, not in the documented pipeline; remainder: interaction and rest */
  kind: 'documented' | 'fault' | 'remainder';
  share: number;
  /** 95 %; null for remainders, and of one token, which cannot be resampled */
  interval: readonly [number, number] | null;
  nrmseAlone: number | null;
  explanation: string;
  reference: string;
}

const interactionText =
  'The rest of 100 %: what the causes do together beyond each by itself, or less. Large where a quantizer follows, because two early causes move the same codes.';
const restText =
  'What is left of the squared error when every cause is undone at once: the model of the two pipelines does not explain it. 0 % where the model is exact.';

/** Faults first, then the largest share; interaction and rest last. They sum to 1. */
export function causeRows({ causes, interaction, rest, tokens }: DiffExplanation): CauseRow[] {
  const rows = causes.map(
    ({ fault, interval, ...cause }): CauseRow => ({
      ...cause,
      kind: fault ? 'fault' : 'documented',
      interval: tokens > 1 ? interval : null,
    }),
  );
  const remainder = (id: string, name: string, share: number, explanation: string): CauseRow => ({
    ...{ id, name, share, explanation },
    kind: 'remainder',
    interval: null,
    nrmseAlone: null,
    reference: '',
  });
  return [
    ...rows.filter(({ kind }) => kind === 'fault'),
    ...rows.filter(({ kind }) => kind !== 'fault'),
    remainder('interaction', 'Interaction', interaction, interactionText),
    remainder('rest', 'Rest, not explained', rest, restText),
  ];
}

/** A share in percent; what is not quite nothing does not read as 0. */
export function shareText(share: number): string {
  if (share === 0) return '0 %';
  if (Math.abs(share) < 0.00005) return share > 0 ? '<0.01 %' : '>-0.01 %';
  return `${(share * 100).toFixed(2)} %`;
}

/** Both ends in percent, without the sign. */
export function intervalText([low, high]: readonly [number, number]): string {
  return low === 0 && high === 0 ? '0' : `${(low * 100).toFixed(2)} to ${(high * 100).toFixed(2)}`;
}

/** What bars are drawn over: 0 to 100 %, wider where a share or its interval goes beyond. */
export function shareDomain(rows: readonly Pick<CauseRow, 'share' | 'interval'>[]): { low: number; high: number } {
  const ends = rows.flatMap(({ share, interval }) => [share, ...(interval ?? [])]);
  return { low: Math.min(0, ...ends), high: Math.max(1, ...ends) };
}

/** "FC1" or "FC2" of a deviation's site. */
export const siteName = (site: 0 | 1): string => (site === 0 ? 'FC1' : 'FC2');
