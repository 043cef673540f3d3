/** Names and values, each value to be copied by itself. */
import { CopyButton } from '../../frame/copy-button';
import type { Fact } from './environment';

export function FactList({ facts, label }: { facts: readonly Fact[]; label: string }) {
  return (
    <dl className="fact-list" aria-label={label}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd className="mono selectable" title={value}>
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
