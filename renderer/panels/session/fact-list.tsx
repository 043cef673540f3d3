/** Names and values, each value to be copied by itself. */
import { CopyButton } from '../../frame/copy-button';
import type { Fact } from './environment';

/** Values that differ from machine to machine or from run to run; they leave compared pictures alone. */
const varying = new Set([
  'Provider',
  'Device',
  'Architecture',
  'Driver',
  'Times measured by',
  'Name',
  'Created',
  'Tool',
  'Checkpoint path',
  'Folder',
  'Environment',
  'Events',
  'Tensors',
  'Tensor files',
  'Together',
]);

export function FactList({ facts, label }: { facts: readonly Fact[]; label: string }) {
  return (
    <dl className="fact-list" aria-label={label}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd className={varying.has(name) ? 'mono selectable volatile' : 'mono selectable'} title={value}>
            {value}
          </dd>
          <dd>
            <CopyButton what={name} text={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
