/** The heat map's two shaders. The fragment shader repeats range.ts `place` and canvas-painter.ts `markedColour`; change them together. */
import { MARK_SHAPE_PX, MARK_TINTS } from './frame';

export const vertexShader = `#version 300 es
precision highp float;
uniform vec4 box;      // x, y, width, height in device pixels, from the top left
uniform vec2 canvasSize;
out vec2 inTile;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  inTile = corner;
  vec2 at = (box.xy + corner * box.zw) / canvasSize;
  gl_Position = vec4(at.x * 2.0 - 1.0, 1.0 - at.y * 2.0, 0.0, 1.0);
}`;

export const fragmentShader = `#version 300 es
precision highp float;
precision highp sampler2D;
uniform sampler2D cells;   // min, max, mean, marks
uniform sampler2D table;   // 256 x 1
uniform vec2 cellPx;
uniform int channel;       // 0 mean, 1 max, 2 min, 3 peak
uniform int mapping;       // 0 sequential, 1 diverging, 2 ratio
uniform bool logarithmic;
uniform vec2 range;
uniform float logFloor;
uniform int marks;
uniform vec3 markColours[4];
in vec2 inTile;
out vec4 colour;

const float tints[4] = float[4](${MARK_TINTS.map((tint) => tint.toFixed(2)).join(', ')});

float logPlace(float magnitude) {
  float low = log(logFloor);
  float span = log(range.y) - low;
  return clamp((log(max(magnitude, 1e-38)) - low) / (span == 0.0 ? 1.0 : span), 0.0, 1.0);
}
// The element furthest from 0, or from 1 for ratios; the extremes of a difference are magnitudes, its mean has the sign.
float peak(vec3 cell) {
  if (mapping == 2) return cell.g * cell.r >= 1.0 ? cell.g : cell.r;
  if (cell.r >= 0.0) return cell.b < 0.0 ? -cell.g : cell.g;
  if (-cell.r == cell.g) return cell.b < 0.0 ? cell.r : cell.g;
  return -cell.r > cell.g ? cell.r : cell.g;
}
float place(float value) {
  if (mapping == 2) {
    if (value <= 0.0) return value == 0.0 ? 0.0 : 0.5;
    return clamp(0.5 + 0.5 * log(value) / log(max(range.y, 1.0 + 1e-7)), 0.0, 1.0);
  }
  if (mapping == 1) {
    float limit = range.y == 0.0 ? 1.0 : range.y;
    if (!logarithmic) return clamp(0.5 + 0.5 * value / limit, 0.0, 1.0);
    return 0.5 + 0.5 * sign(value) * logPlace(abs(value));
  }
  if (logarithmic) return value > 0.0 ? logPlace(value) : 0.0;
  float span = range.y - range.x;
  return clamp((value - range.x) / (span == 0.0 ? 1.0 : span), 0.0, 1.0);
}
// Share of the mark at this point of the cell: a tint where cells are small, a shape where they are not.
float cover(int mark, vec2 at) {
  if (min(cellPx.x, cellPx.y) < ${MARK_SHAPE_PX.toFixed(1)}) return tints[mark];
  if (mark == 3) return abs(at.x - at.y) < 0.12 || abs(at.x + at.y - 1.0) < 0.12 ? 0.0 : 1.0;
  vec2 px = at * cellPx;
  float corner = min(cellPx.x, cellPx.y) * 0.6;
  if (mark == 2) return cellPx.x - px.x + px.y < corner ? 1.0 : 0.0;
  if (mark == 1) return px.x + cellPx.y - px.y < corner ? 1.0 : 0.0;
  vec2 fromCentre = (at - 0.5) * cellPx / min(cellPx.x, cellPx.y);
  return length(fromCentre) < 0.16 ? 1.0 : 0.0;
}
void main() {
  ivec2 size = textureSize(cells, 0);
  vec2 scaled = inTile * vec2(size);
  ivec2 index = min(ivec2(scaled), size - 1);
  vec4 cell = texelFetch(cells, index, 0);
  int bits = int(cell.a + 0.5);
  float value = channel == 0 ? cell.b : channel == 1 ? cell.g : channel == 2 ? cell.r : peak(cell.rgb);
  bool none = (bits & 16) != 0;
  float at = place(value);
  vec4 result = none ? vec4(0.0) : vec4(texelFetch(table, ivec2(int(at * 255.0 + 0.5), 0), 0).rgb, 1.0);
  int drawn = bits & marks;
  vec2 inCell = scaled - vec2(index);
  for (int mark = 0; mark < 4; mark++) {
    if ((drawn & (1 << mark)) == 0) continue;
    float share = cover(mark, inCell);
    result = vec4(mix(result.rgb, markColours[mark], share), max(result.a, share));
  }
  colour = vec4(result.rgb * result.a, result.a);
}`;
