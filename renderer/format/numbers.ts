/** How numbers are written: same digits everywhere, unit always apart, so that a column lines up. */

const missing = '-';

/** Whole numbers with thin grouping: 1 234 567. */
export function formatCount(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return missing;
  const digits = String(Math.abs(Math.round(value)));
  const grouped = digits.replace(/\B(?=(\d{3})+$)/g, ' ');
  return value < 0 ? `-${grouped}` : grouped;
}

/** Microseconds with the unit that keeps three or four digits: "843.1 us", "12.40 ms", "1.204 s". */
export function formatMicroseconds(value: number | null | undefined): string {
  const parts = microseconds(value);
  return parts.unit ? `${parts.text} ${parts.unit}` : parts.text;
}

/** The same in two parts, for tables that set the unit in another colour. */
export function microseconds(value: number | null | undefined): { text: string; unit: string } {
  if (value === null || value === undefined || !Number.isFinite(value)) return { text: missing, unit: '' };
  if (value >= 1e6) return { text: digits(value / 1e6, 4), unit: 's' };
  if (value >= 1e4) return { text: digits(value / 1e3, 4), unit: 'ms' };
  return { text: digits(value, 4), unit: 'us' };
}

/** Significant digits without an exponent while it stays short. */
function digits(value: number, significant: number): string {
  const magnitude = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.max(0, Math.min(12, significant - 1 - magnitude)));
}

/** A measured or computed value: 4 significant digits, exponent outside 1e-3..1e6; NaN and infinities by name. */
export function formatValue(value: number | null | undefined, significant = 4): string {
  if (value === null || value === undefined) return missing;
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(significant - 1);
  if (Number.isInteger(value)) return String(value);
  return digits(value, significant);
}

/** NRMSE and similar error figures: fixed 4 significant digits, e.g. 0.1690 or 3.10e-4. */
export function formatError(value: number | null | undefined): string {
  return formatValue(value, 4);
}

/** Cosine similarity needs its tail: 6 decimals. */
export function formatCosine(value: number | null | undefined): string {
  if (value === null || value === undefined) return missing;
  return Number.isFinite(value) ? value.toFixed(6) : formatValue(value);
}

/** Bytes in binary units: "512 B", "1.50 KiB", "17.2 GiB". */
export function formatBytes(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return missing;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return unit === 0 ? `${Math.round(size)} B` : `${digits(size, 3)} ${units[unit]}`;
}

/** A share 0..1 as percent: "12.5 %". */
export function formatShare(value: number | null | undefined, decimals = 1): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return missing;
  return `${(value * 100).toFixed(decimals)} %`;
}

/** A byte's or code's bits: bits(0x38, 8) = "0011 1000". */
export function formatBits(value: number, width: number): string {
  return value
    .toString(2)
    .padStart(width, '0')
    .replace(/(.{4})(?=.)/g, '$1 ');
}

/** "0x38" with as many digits as the width in bits needs. */
export function formatHex(value: number, width = 8): string {
  return `0x${value
    .toString(16)
    .toUpperCase()
    .padStart(Math.ceil(width / 4), '0')}`;
}
