/** One colour per path, everywhere: CSS for elements, resolved values for canvases. */

import type { Side } from '../../electron/contract/batch';
import type { Kernel, Path } from '../../electron/contract/layer';

/** What the kernel is called in front of people. */
export const kernelNames: Record<Kernel, string> = {
  'direct-micro': 'b12x direct-micro',
  micro: 'b12x micro',
  static: 'b12x static',
  dynamic: 'b12x dynamic',
  cutlass: 'CUTLASS',
  reference: 'reference',
};

export const pathNames: Record<Path, string> = { b12x: 'b12x', cutlass: 'CUTLASS', reference: 'reference' };

/** CSS colour of a kernel; valid in styles and in SVG attributes. */
export function kernelColor(kernel: Kernel): string {
  return `var(--kernel-${kernel})`;
}

/** CSS colour of a path or of a side of a comparison; b12x as a whole takes the colour of its static kernel. */
export function pathColor(path: Path | Side): string {
  return kernelColor(path === 'b12x' ? 'static' : path);
}

/** The value of a token such as `--line` in the theme now shown, for canvases. Read it again when the theme changes. */
export function tokenValue(token: `--${string}`): string {
  return getComputedStyle(document.documentElement).getPropertyValue(token).trim();
}
