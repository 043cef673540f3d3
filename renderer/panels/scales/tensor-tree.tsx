/** Every tensor of the source by set, with what it is and how much it holds. */
import type { TensorDescriptor } from '../../../electron/contract/tensor';
import { formatBytes } from '../../format/numbers';
import { setTitles, type TensorGroup } from './tensors';

const layoutTitles: Record<TensorDescriptor['layout'], string> = {
  linear: 'linear',
  sf128x4: '128x4',
  mma6d: '6D MMA',
  fp4: 'fp4',
};

export interface TensorTreeProps {
  groups: TensorGroup[];
  selected: string | null;
  onSelect: (tensor: TensorDescriptor) => void;
}

export function TensorTree({ groups, selected, onSelect }: TensorTreeProps) {
  return (
    <nav className="tensor-tree" aria-label="Tensors">
      {groups.map(({ set, tensors, reason }) => (
        <section key={set} aria-label={setTitles[set]}>
          <h3>
            {setTitles[set]}
            {tensors.length > 0 && (
              <span className="number muted">{formatBytes(tensors.reduce((sum, { bytes }) => sum + bytes, 0))}</span>
            )}
          </h3>
          {reason && <p className="muted tree-reason">{reason}</p>}
          {tensors.map((tensor) => (
            <button
              type="button"
              key={tensor.id}
              className="tree-item"
              aria-current={tensor.id === selected}
              title={`${tensor.id}\n${tensor.note}`}
              onClick={() => onSelect(tensor)}
            >
              <span className="tree-head">
                <span className="tree-name">{tensor.name}</span>
                <span className="tree-bytes number">{formatBytes(tensor.bytes)}</span>
              </span>
              <span className="tree-facts number">
                <span>{tensor.dtype === 'F8_E4M3' ? 'E4M3' : tensor.dtype}</span>
                <span>{layoutTitles[tensor.layout]}</span>
                <span>{tensor.shape.join('×')}</span>
              </span>
            </button>
          ))}
        </section>
      ))}
    </nav>
  );
}
