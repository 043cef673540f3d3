/** Tiles as float textures, one quad each; the colour is found in the fragment shader, so a range moves without new data. */
import { type Frame, type Painter, tileBox } from './frame';
import { channels, logFloor, mappings } from './range';
import { fragmentShader, vertexShader } from './shaders';
import type { Tile } from './source';

const uniformNames = [
  'box',
  'canvasSize',
  'cells',
  'table',
  'cellPx',
  'channel',
  'mapping',
  'logarithmic',
  'range',
  'logFloor',
  'marks',
  'markColours',
] as const;
type Uniforms = Record<(typeof uniformNames)[number], WebGLUniformLocation | null>;

export class GlPainter implements Painter {
  readonly kind = 'webgl2';
  private readonly textures = new Map<string, { texture: WebGLTexture; tile: Tile }>();
  private program!: WebGLProgram;
  private uniforms!: Uniforms;
  private tableTexture!: WebGLTexture;
  private tableShown: Uint8Array | null = null;
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
    this.tableShown = null;
    this.prepare();
    if (this.last) this.paint(this.last);
  };

  private prepare(): void {
    const { gl } = this;
    const program = gl.createProgram();
    if (!program) throw new Error('WebGL2 gave no program.');
    for (const [kind, text] of [
      [gl.VERTEX_SHADER, vertexShader],
      [gl.FRAGMENT_SHADER, fragmentShader],
    ] as const) {
      const shader = gl.createShader(kind);
      if (!shader) throw new Error('WebGL2 gave no shader.');
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost())
        throw new Error(`Heat map shader: ${gl.getShaderInfoLog(shader)}`);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost())
      throw new Error(`Heat map program: ${gl.getProgramInfoLog(program)}`);
    this.program = program;
    this.uniforms = Object.fromEntries(
      uniformNames.map((name) => [name, gl.getUniformLocation(program, name)]),
    ) as Uniforms;
    this.tableTexture = this.newTexture();
    gl.bindVertexArray(gl.createVertexArray());
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
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

  private textureOf(tile: Tile): WebGLTexture {
    const known = this.textures.get(tile.key);
    if (known?.tile === tile) return known.texture;
    if (known) this.gl.deleteTexture(known.texture);
    const { gl } = this;
    const texture = this.newTexture();
    const { outCols, outRows } = tile.request;
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, outCols, outRows, 0, gl.RGBA, gl.FLOAT, tile.cells);
    this.textures.set(tile.key, { texture, tile });
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
    const { gl, uniforms } = this;
    if (gl.isContextLost()) return;
    const width = Math.max(1, Math.round(frame.size.width * frame.ratio));
    const height = Math.max(1, Math.round(frame.size.height * frame.ratio));
    if (gl.canvas.width !== width) gl.canvas.width = width;
    if (gl.canvas.height !== height) gl.canvas.height = height;
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    // biome-ignore lint/correctness/useHookAtTopLevel: WebGL's useProgram is no React hook
    gl.useProgram(this.program);
    this.setLook(frame);
    gl.uniform2f(uniforms.canvasSize, width, height);
    gl.activeTexture(gl.TEXTURE0);
    for (const tile of frame.tiles) {
      const box = tileBox(tile, frame);
      gl.bindTexture(gl.TEXTURE_2D, this.textureOf(tile));
      gl.uniform4f(uniforms.box, box.x, box.y, box.width, box.height);
      gl.uniform2f(uniforms.cellPx, box.cellWidth, box.cellHeight);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    }
  }

  private setLook({ look }: Frame): void {
    const { gl, uniforms } = this;
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.tableTexture);
    if (this.tableShown !== look.table) {
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, look.table);
      this.tableShown = look.table;
    }
    gl.uniform1i(uniforms.cells, 0);
    gl.uniform1i(uniforms.table, 1);
    gl.uniform1i(uniforms.channel, channels.indexOf(look.channel));
    gl.uniform1i(uniforms.mapping, mappings.indexOf(look.mapping));
    gl.uniform1i(uniforms.logarithmic, look.log ? 1 : 0);
    gl.uniform2f(uniforms.range, look.range.lo, look.range.hi);
    gl.uniform1f(uniforms.logFloor, logFloor(look.range));
    gl.uniform1i(uniforms.marks, look.marks);
    gl.uniform3fv(
      uniforms.markColours,
      Float32Array.from(look.markColours.flat(), (byte) => byte / 255),
    );
  }

  dispose(): void {
    const { gl } = this;
    gl.canvas.removeEventListener('webglcontextlost', this.onLost);
    gl.canvas.removeEventListener('webglcontextrestored', this.onRestored);
    for (const { texture } of this.textures.values()) gl.deleteTexture(texture);
    this.textures.clear();
    gl.deleteTexture(this.tableTexture);
    gl.deleteProgram(this.program);
    this.last = null;
  }
}
