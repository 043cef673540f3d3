// The study as Markdown: targets, confusion tables, what is missed.

const percent = (part, whole) => (whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`);
const fraction = (part, whole) => `${part} of ${whole} (${percent(part, whole)})`;
const possible = (list) => list.filter(({ impossible }) => !impossible);

/** Figures of one view ("taps": every stage is seen; "output": y alone). */
export function figures({ singles, pairs, clean }, view) {
  const made = { singles: possible(singles), pairs: possible(pairs), clean: possible(clean) };
  const ranked = (one) => one.named[view];
  const seenPairs = made.pairs.filter((one) => ranked(one) !== undefined);
  return {
    singles: made.singles.length,
    topOne: made.singles.filter((one) => ranked(one)[0] === one.planted[0]).length,
    twins: made.singles.filter(({ twins }) => twins[view]).length,
    pairs: seenPairs.length,
    bothInThree: seenPairs.filter((one) => one.planted.every((cause) => ranked(one).slice(0, 3).includes(cause)))
      .length,
    clean: made.clean.length,
    falseAlarms: made.clean.filter((one) => ranked(one).length > 0).length,
  };
}

function confusion(study, view) {
  const short = Object.fromEntries(study.causes.map((cause, i) => [cause, String(i + 1)]));
  const rows = study.causes.map((cause, i) => {
    const mine = possible(study.singles).filter(({ planted }) => planted[0] === cause);
    const count = (name) => mine.filter(({ named }) => (named[view][0] ?? 'none') === name).length;
    const cells = [...study.causes, 'none'].map((name) => count(name) || '');
    return `| ${i + 1} ${cause} | ${cells.join(' | ')} |`;
  });
  return [
    `| planted \\ named first | ${study.causes.map((cause) => short[cause]).join(' | ')} | none |`,
    `|---${'|---'.repeat(study.causes.length + 1)}|`,
    ...rows,
  ].join('\n');
}

function missedPairs(study, view) {
  const missed = possible(study.pairs).filter(
    ({ planted, named }) => !planted.every((cause) => named[view].slice(0, 3).includes(cause)),
  );
  if (missed.length === 0) return 'None.';
  return [
    '| planted | named | pipeline | shape | deviations | seed |',
    '|---|---|---|---|---|---|',
    ...missed
      .slice(0, 60)
      .map(
        ({ planted, named, pipeline, shape, deviations, seed }) =>
          `| ${planted.join(' + ')} | ${named[view].slice(0, 3).join(', ') || 'none'} | ${pipeline} | ${shape} | ${deviations.join(' ')} | ${seed} |`,
      ),
    ...(missed.length > 60 ? [`| ... ${missed.length - 60} more in the JSON | | | | | |`] : []),
  ].join('\n');
}

function summary(study) {
  const shapes = [...Object.keys(study.shapes), null];
  const rows = ['taps', 'output'].flatMap((view) =>
    shapes.map((shape) => {
      const only = (list) => (shape ? list.filter((one) => one.shape === shape) : list);
      const all = { singles: only(study.singles), pairs: only(study.pairs), clean: only(study.clean) };
      const result = figures(all, view);
      return `| ${view} | ${shape ?? '**all**'} | ${fraction(result.topOne, result.singles)} | ${result.twins} of ${result.singles - result.topOne} | ${result.pairs === 0 ? 'not run' : fraction(result.bothInThree, result.pairs)} | ${result.falseAlarms} of ${result.clean} |`;
    }),
  );
  return [
    '| seen | shape | planted cause first | of the others: the same bits | both of a pair in the first three | false alarms on clean layers |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** @param study what scripts/fault-injection.mjs writes as JSON */
export function studyText(study) {
  const impossible = [...study.singles, ...study.pairs].filter((one) => one.impossible);
  const redrawn = [...study.singles, ...study.pairs].reduce((sum, { redrawn: count = 0 }) => sum + count, 0);
  const shapes = Object.entries(study.shapes).map(
    ([name, { hidden, intermediate, experts, topK, activation }]) =>
      `${name} (H ${hidden}, I ${intermediate}, E ${experts}, k ${topK}, ${activation})`,
  );
  return `# Fault injection

Written by \`node scripts/fault-injection.mjs\`; do not edit. Commit ${study.commit}, ${study.date}, ${study.machine}, seed ${study.seed}, ${study.seconds} s.
What the causes are and which of them are hard to tell apart: [explaining-differences.md](explaining-differences.md).

Each case is a random layer and batch: ${shapes.join('; ')}. A cause is planted at one GEMM or both, in a form drawn at random,
in one of the pipelines static, gated dynamic, direct micro and CUTLASS; the planted run adds in an order of its own (blocks along K,
bf16 additions), which the diagnoser does not know. "taps": the diagnoser sees every stage; "output": only y.
A fault that changes no bit is drawn again (${redrawn} times); ${impossible.length} combinations of cause and shape cannot show at all
and are left out: ${[...new Set(impossible.map(({ planted, shape }) => `${planted.join(' + ')} (${shape})`))].join('; ') || 'none'}.

"The same bits": another cause was named, and a run with it gives all that was seen of the planted run bit for bit, so nothing seen
could tell them apart; the planted cause is then among the alternatives. They count as missed.

Targets, with taps: the planted cause first in 95 % of the single cases, both in the first three in 90 % of the pairs, no false alarm.

${summary(study)}

## Single causes, all stages seen

Rows: planted; columns: the cause named first.

${confusion(study, 'taps')}

## Single causes, output alone

${confusion(study, 'output')}

## Pairs that were missed, all stages seen

${missedPairs(study, 'taps')}

## False alarms

${
  ['taps', 'output']
    .flatMap((view) =>
      possible(study.clean)
        .filter(({ named }) => named[view].length > 0)
        .map(
          ({ seed, shape, pipeline, named }) =>
            `- ${view}: ${named[view].join(', ')} (${shape}, ${pipeline}, seed ${seed})`,
        ),
    )
    .join('\n') || 'None.'
}
`;
}
