// How docs/performance.md writes figures and tables.

export const us = (value) => (value < 100 ? value.toFixed(1) : value.toFixed(0));
export const ms = (value) => `${(value / 1000).toFixed(value < 10_000 ? 2 : 1)}`;
export const percent = (share) => `${(share * 100).toFixed(0)} %`;
export const spread = ({ median, p10, p90 }, format) => `${format(median)} (${format(p10)} .. ${format(p90)})`;
export const hit = (reached) => (reached ? 'hit' : 'missed');

const row = (cells) => `| ${cells.join(' | ')} |`;
/** A Markdown table. */
export const table = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
