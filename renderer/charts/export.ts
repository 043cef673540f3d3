/** A chart or canvas as a PNG at twice its size, on the theme's background. */
import { download } from '../format/download';
import { tokenValue } from '../theme/palette';

const copied = [
  'fill',
  'stroke',
  'stroke-width',
  'stroke-dasharray',
  'opacity',
  'font-family',
  'font-size',
  'font-weight',
];

/**
 * Saves what `root` shows: the first canvas or SVG below it.
 * @throws Error where there is none yet, or the browser cannot draw it.
 */
export async function exportPng(name: string, root: Element): Promise<void> {
  const source = root.matches('svg, canvas') ? root : root.querySelector('canvas, svg.recharts-surface, svg');
  if (source instanceof HTMLCanvasElement) return download(name, await png(source));
  if (!(source instanceof SVGElement)) throw new Error('nothing is drawn yet');
  const { width, height } = source.getBoundingClientRect();
  const copy = source.cloneNode(true) as SVGElement;
  inlineStyles(source, copy);
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  copy.setAttribute('width', String(width));
  copy.setAttribute('height', String(height));
  const image = new Image();
  const text = new XMLSerializer().serializeToString(copy);
  const url = URL.createObjectURL(new Blob([text], { type: 'image/svg+xml' }));
  try {
    image.src = url;
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = Math.ceil(width * 2);
    canvas.height = Math.ceil(height * 2);
    const context = canvas.getContext('2d')!;
    context.fillStyle = tokenValue('--bg-1');
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    download(name, await png(canvas));
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** The picture leaves the page's style sheets behind, so what they give is written onto each element. */
function inlineStyles(from: Element, to: Element): void {
  const style = getComputedStyle(from);
  for (const property of copied) to.setAttribute(property, style.getPropertyValue(property));
  for (let child = 0; child < from.children.length; child++) inlineStyles(from.children[child]!, to.children[child]!);
}

function png(canvas: HTMLCanvasElement): Promise<Blob> {
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the picture could not be encoded')))),
  );
}
