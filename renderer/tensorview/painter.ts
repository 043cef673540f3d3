/** Which painter this window can have. */
import { CanvasPainter } from './canvas-painter';
import type { Painter } from './frame';
import { GlPainter } from './gl-painter';

/** WebGL2 where there is one, otherwise a 2D canvas (slower, same picture). A canvas has one kind of context for life, so `renew` gives a fresh one. */
export function createPainter(canvas: HTMLCanvasElement, renew: () => HTMLCanvasElement): Painter {
  const gl = canvas.getContext('webgl2', { antialias: false, preserveDrawingBuffer: true, alpha: true });
  if (gl) {
    try {
      return new GlPainter(gl);
    } catch {
      gl.getExtension('WEBGL_lose_context')?.loseContext();
      return new CanvasPainter(renew());
    }
  }
  return new CanvasPainter(canvas);
}
