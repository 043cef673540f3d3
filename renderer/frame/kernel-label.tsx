/** A kernel by colour and name, the same everywhere. */
import type { Kernel } from '../../electron/contract/layer';
import { kernelColor, kernelNames } from '../theme/palette';

export function KernelLabel({ kernel }: { kernel: Kernel }) {
  return (
    <span className="kernel-label">
      <i className="kernel-swatch" style={{ background: kernelColor(kernel) }} />
      {kernelNames[kernel]}
    </span>
  );
}
