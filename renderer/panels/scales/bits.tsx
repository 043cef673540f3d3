/** The bits of one element in their fields, and what they say. */
import type { DType, ScaleLayout } from '../../../electron/contract/layer';
import './bits.css';

export interface BitFormat {
  name: string;
  exponent: number;
  mantissa: number;
  bias: number;
}

/** Field widths of a stored element; null for what is no floating-point format (and F64, whose bits do not fit a number). */
export function bitFormat(dtype: DType, layout: ScaleLayout): BitFormat | null {
  if (layout === 'fp4') return { name: 'E2M1', exponent: 2, mantissa: 1, bias: 1 };
  if (dtype === 'F8_E4M3') return { name: 'E4M3', exponent: 4, mantissa: 3, bias: 7 };
  if (dtype === 'BF16') return { name: 'BF16', exponent: 8, mantissa: 7, bias: 127 };
  if (dtype === 'F16') return { name: 'FP16', exponent: 5, mantissa: 10, bias: 15 };
  if (dtype === 'F32') return { name: 'FP32', exponent: 8, mantissa: 23, bias: 127 };
  return null;
}

/** Fields of the bits, highest first. */
export function splitBits(bits: number, format: BitFormat): { sign: string; exponent: string; mantissa: string } {
  const width = 1 + format.exponent + format.mantissa;
  const text = (bits >>> 0).toString(2).padStart(width, '0').slice(-width);
  return {
    sign: text.slice(0, 1),
    exponent: text.slice(1, 1 + format.exponent),
    mantissa: text.slice(1 + format.exponent),
  };
}

/** The value as a product, e.g. "+ 2^-3 × (1 + 4/8)"; "0", "NaN" and "Inf" where the fields say so. */
export function bitMeaning(bits: number, format: BitFormat): string {
  const fields = splitBits(bits, format);
  const exponent = Number.parseInt(fields.exponent, 2);
  const mantissa = Number.parseInt(fields.mantissa, 2);
  const sign = fields.sign === '1' ? '−' : '+';
  const full = 2 ** format.exponent - 1;
  // E4M3 "fn" has one NaN and no infinities; E2M1 has neither.
  if (format.name === 'E4M3' && exponent === full && mantissa === 7) return 'NaN';
  if (format.name !== 'E4M3' && format.name !== 'E2M1' && exponent === full)
    return mantissa === 0 ? `${sign} Inf` : 'NaN';
  if (exponent === 0 && mantissa === 0) return `${sign} 0`;
  const steps = 2 ** format.mantissa;
  if (exponent === 0) return `${sign} 2^${1 - format.bias} × ${mantissa}/${steps}, subnormal`;
  return `${sign} 2^${exponent - format.bias} × (1 + ${mantissa}/${steps})`;
}

export function BitView({ bits, format }: { bits: number; format: BitFormat }) {
  const fields = splitBits(bits, format);
  return (
    <div className="bit-view number" role="img" aria-label={`${format.name} bits ${Object.values(fields).join(' ')}`}>
      {(['sign', 'exponent', 'mantissa'] as const).map((field) => (
        <span key={field} className={`bit-field ${field}`}>
          <span className="bit-cells">
            {Array.from(fields[field], (bit, place) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a bit is its place
              <i key={place} className={bit === '1' ? 'one' : 'zero'}>
                {bit}
              </i>
            ))}
          </span>
          <span className="bit-name">{field === 'sign' ? 's' : field}</span>
        </span>
      ))}
    </div>
  );
}
