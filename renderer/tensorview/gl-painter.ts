/** Tiles as textures of baked colours, one quad each; a moved range bakes them anew, without new data. */
import { bakesAlike, bakeTile } from './bake';
import { type Frame, type Look, MARK_SHAPE_PX, type Painter, tileBox } from './frame';
import { GlProgram } from './gl-program';
import { shapeShader, tintShader, vertexShader } from './shaders';
import type { Tile } from './source';

const common = ['box', 'canvasSize', 'depth', 'cells'] as const;
const shapeNames = [...common, 'cellPx', 'marks', 'markColours'] as const;

interface Baked {
  texture: WebGLTexture;
  tile: Tile;
  look: Look;
  tinted: boolean;
}

export class GlPainter implements Painter {
  readonly kind = 'webgl2';
  private readonly textures = new Map<string, Baked>();
  private tint!: GlProgram<(typeof common)[number]>;
  private shape!: GlProgram<(typeof shapeNames)[number]>;
  private last: Frame | null = null;

  /** Throws when the shaders do not compile. */
  constructor(private readonly gl: WebGL2RenderingContext) {
    this.prepare();
    // A lost context (driver reset, GPU process gone) comes back without its textures.
    gl.canvas.addEventListener('webglcontextlost', this.onLost);
    gl.canvas.addEventListener('webglcontextrestored', this.onRestored);
  }

  private readonly onLost = (event: Event) => event.preventDefault();
  private readonly onRestored = () => {
    this.textures.clear();
    this.prepare();
    if (this.last) this.paint(this.last);
  };

  private prepare(): void {
    const { gl } = this;
    this.tint = new GlProgram(gl, vertexShader, tintShader, common);
    this.shape = new GlProgram(gl, vertexShader, shapeShader, shapeNames);
    gl.bindVertexArray(gl.createVertexArray());
    // The front tile is drawn first and hides what lies under it: no pixel is shaded twice.
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LESS);
  }

  private newTexture(): WebGLTexture {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
      gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
    return texture as WebGLTexture;
  }

  private textureOf(tile: Tile, look: Look, tinted: boolean): WebGLTexture {
    const known = this.textures.get(tile.key);
    if (known?.tile === tile && known.tinted === tinted && bakesAlike(known.look, look)) return known.texture;
    const { gl } = this;
    const texture = known?.texture ?? this.newTexture();
    const { outCols, outRows } = tile.request;
    gl.bindTexture(gl.TEXTURE_2D, texture);
    const colours = bakeTile(tile, look, tinted);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, outCols, outRows, 0, gl.RGBA, gl.UNSIGNED_BYTE, colours);
    this.textures.set(tile.key, { texture, tile, look, tinted });
    return texture;
  }

  forget(tile: Tile): void {
    const known = this.textures.get(tile.key);
    if (known?.tile !== tile) return;
    this.gl.deleteTexture(known.texture);
    this.textures.delete(tile.key);
  }

  paint(frame: Frame): void {
    this.last = frame;
    const { gl } = this;
    if (gl.isContextLost()) return;
    const width = Math.max(1, Math.round(frame.size.width * frame.ratio));
    const height = Math.max(1, Math.round(frame.size.height * frame.ratio));
    if (gl.canvas.width !== width) gl.canvas.width = width;
    if (gl.canvas.height !== height) gl.canvas.height = height;
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.activeTexture(gl.TEXTURE0);
    const { tiles, look } = frame;
    for (let at = tiles.length - 1; at >= 0; at--) {
      const tile = tiles[at] as Tile;
      const box = tileBox(tile, frame);
      const tinted = Math.min(box.cellWidth, box.cellHeight) < MARK_SHAPE_PX;
      const { program, uniforms } = tinted ? this.tint : this.shape;
      gl.bindTexture(gl.TEXTURE_2D, this.textureOf(tile, look, tinted));
      // biome-ignore lint/correctness/useHookAtTopLevel: WebGL's useProgram is no React hook
      gl.useProgram(program);
      gl.uniform1i(uniforms.cells, 0);
      gl.uniform2f(uniforms.canvasSize, width, height);
      gl.uniform4f(uniforms.box, box.x, box.y, box.width, box.height);
      gl.uniform1f(uniforms.depth, (tiles.length - at) / (tiles.length + 1));
      if (!tinted) this.setShapes(look, box.cellWidth, box.cellHeight);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    }
  }

  private setShapes(look: Look, cellWidth: number, cellHeight: number): void {
    const { gl } = this;
    const { uniforms } = this.shape;
    gl.uniform2f(uniforms.cellPx, cellWidth, cellHeight);
    gl.uniform1i(uniforms.marks, look.marks);
    const colours = Float32Array.from(look.markColours.flat(), (byte) => byte / 255);
    gl.uniform3fv(uniforms.markColours, colours);
  }

  dispose(): void {
    const { gl } = this;
    gl.canvas.removeEventListener('webglcontextlost', this.onLost);
    gl.canvas.removeEventListener('webglcontextrestored', this.onRestored);
    for (const { texture } of this.textures.values()) gl.deleteTexture(texture);
    this.textures.clear();
    gl.deleteProgram(this.tint.program);
    gl.deleteProgram(this.shape.program);
    this.last = null;
  }
}
