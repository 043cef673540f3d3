/** The heat map's shaders. The one of shapes repeats canvas-painter.ts on marks; change them together. */

export const vertexShader = `#version 300 es
precision highp float;
uniform vec4 box;      // x, y, width, height in device pixels, from the top left
uniform vec2 canvasSize;
uniform float depth;   // 0 in front .. 1
out vec2 inTile;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  inTile = corner;
  vec2 at = (box.xy + corner * box.zw) / canvasSize;
  gl_Position = vec4(at.x * 2.0 - 1.0, 1.0 - at.y * 2.0, depth * 2.0 - 1.0, 1.0);
}`;

/** Small cells: bake.ts has put everything into the colour. On software GL a frame costs what its pixels cost. */
export const tintShader = `#version 300 es
precision highp float;
uniform sampler2D cells;
in vec2 inTile;
out vec4 colour;
void main() {
  vec4 cell = texture(cells, inTile);
  colour = vec4(cell.rgb * cell.a, cell.a);
}`;

/** Large cells: marks, whose bits lie in alpha, are drawn as shapes. */
export const shapeShader = `#version 300 es
precision highp float;
uniform sampler2D cells;
uniform vec2 cellPx;
uniform int marks;
uniform vec3 markColours[4];
in vec2 inTile;
out vec4 colour;

bool covered(int mark, vec2 at) {
  if (mark == 3) return abs(at.x - at.y) >= 0.12 && abs(at.x + at.y - 1.0) >= 0.12;
  vec2 px = at * cellPx;
  float corner = min(cellPx.x, cellPx.y) * 0.6;
  if (mark == 2) return cellPx.x - px.x + px.y < corner;
  if (mark == 1) return px.x + cellPx.y - px.y < corner;
  return length((at - 0.5) * cellPx / min(cellPx.x, cellPx.y)) < 0.16;
}
void main() {
  vec4 cell = texture(cells, inTile);
  int bits = int(cell.a * 255.0 + 0.5);
  colour = (bits & 16) != 0 ? vec4(0.0) : vec4(cell.rgb, 1.0);
  int drawn = bits & marks;
  if (drawn == 0) return;
  vec2 inCell = fract(inTile * vec2(textureSize(cells, 0)));
  for (int mark = 0; mark < 4; mark++)
    if ((drawn & (1 << mark)) != 0 && covered(mark, inCell)) colour = vec4(markColours[mark], 1.0);
}`;
