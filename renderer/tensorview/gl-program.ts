/** A WebGL2 program with its uniforms by name. */
export class GlProgram<Name extends string> {
  readonly uniforms: Record<Name, WebGLUniformLocation | null>;
  readonly program: WebGLProgram;

  /** Throws when the shaders do not compile. */
  constructor(gl: WebGL2RenderingContext, vertex: string, fragment: string, names: readonly Name[]) {
    const program = gl.createProgram();
    if (!program) throw new Error('WebGL2 gave no program.');
    for (const [kind, text] of [
      [gl.VERTEX_SHADER, vertex],
      [gl.FRAGMENT_SHADER, fragment],
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
    this.uniforms = Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)])) as Record<
      Name,
      WebGLUniformLocation | null
    >;
  }
}
