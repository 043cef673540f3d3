// docs/performance.md, made of docs/performance.json and nothing else.
import { cpuSection } from './page/cpu.mjs';
import { gpuSection } from './page/gpu.mjs';

/**
 * The page that docs/performance.json makes.
 * @param {{ sections: object[] }} measured what scripts/bench.mjs has merged
 * @returns {string} Markdown
 */
export function performancePage({ sections }) {
  const place = ({ kind, machine }) => `${kind === 'cpu' ? 1 : 0} ${machine.name}`;
  const ordered = [...sections].sort((a, b) => place(a).localeCompare(place(b)));
  const made = ordered.map((section) => (section.kind === 'cpu' ? cpuSection(section) : gpuSection(section)));
  return `# How fast a layer runs

Written by \`npm run bench -- --cpu\`, \`--gpu\`, \`--merge FILE\` or \`--table\` from docs/performance.json.

${made.join('\n')}`;
}
