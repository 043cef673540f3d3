/** Numbers as they are: no digit that the value does not have, none left out. */

/** A float32 value with the digits that tell it from its neighbours (nine at most): 0.009765625, 3.0517578e-5. */
export function exactFloat32(value: number): string {
  if (Object.is(value, -0)) return '-0';
  return Number.isFinite(value) ? String(Number(value.toPrecision(9))) : named(value);
}

/** Up to `significant` digits, trailing zeros dropped, exponent where that is shorter: fits a cell or a field. */
export function shortValue(value: number, significant = 4): string {
  if (!Number.isFinite(value)) return named(value);
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const size = Math.abs(value);
  if (size >= 0.01 && size < 1e5) return String(Number(value.toPrecision(significant)));
  const [mantissa = '', exponent = ''] = value.toExponential(significant - 1).split('e');
  return `${Number(mantissa)}e${Number(exponent)}`;
}

function named(value: number): string {
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}
