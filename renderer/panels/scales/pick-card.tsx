/** One element in all its addresses: logical place, bytes, 6D index, bits, value, the same element elsewhere, the codes under it. */
import type { PickReply, TensorDescriptor } from '../../../electron/contract/tensor';
import { formatCount, formatHex } from '../../format/numbers';
import { CopyButton } from '../../frame/copy-button';
import { exactFloat32, shortValue } from '../../tensorview/exact';
import { BitView, bitFormat, bitMeaning } from './bits';
import { axisNames } from './tensors';
import './pick-card.css';

export function PickCard({ pick, tensor }: { pick: PickReply; tensor: TensorDescriptor }) {
  const format = bitFormat(tensor.dtype, tensor.layout);
  const width = format ? 1 + format.exponent + format.mantissa : 0;
  return (
    <div className="pick-card" data-testid="scales-pick">
      <div className="pick-value">
        <span className="number selectable">{exactFloat32(pick.value)}</span>
        <span className={`pick-kind kind-${pick.kind}`}>{pick.kind}</span>
        {format && <span className="number muted">{formatHex(pick.bits, width)}</span>}
        <CopyButton what="the element as JSON" text={JSON.stringify(pick)} />
      </div>
      {format && <BitView bits={pick.bits} format={format} />}
      {format && (
        <div className="number muted pick-meaning">
          {format.name}: {bitMeaning(pick.bits, format)}
        </div>
      )}
      <Addresses pick={pick} tensor={tensor} />
      <Siblings pick={pick} tensor={tensor} />
      <Codes pick={pick} />
    </div>
  );
}

function Addresses({ pick, tensor }: { pick: PickReply; tensor: TensorDescriptor }) {
  const names = axisNames(tensor);
  const rows: [string, string, string][] = [
    ['Logical', `${pick.plane}, ${pick.row}, ${pick.column}`, `expert, ${names.row}, ${names.column}`],
    ['Linear byte', formatCount(pick.linearOffset), 'from the start of the tensor'],
  ];
  if (pick.swizzledOffset !== null)
    rows.push(['128x4 swizzle', formatCount(pick.swizzledOffset), 'byte from the start of the tensor']);
  if (pick.mma6d) rows.push(['6D MMA', pick.mma6d.join(', '), '(32, 4, m tiles, 4, k tiles, E)']);
  return (
    <dl className="pick-addresses" aria-label="Addresses">
      {rows.map(([name, value, hint]) => (
        <div key={name} title={hint}>
          <dt>{name}</dt>
          <dd className="number selectable">{value}</dd>
          <dd>
            <CopyButton what={name} text={value.replaceAll(' ', '')} />
          </dd>
        </div>
      ))}
      {pick.swizzledOffset === null && tensor.role === 'block-scale' && (
        <p className="muted">Stored linear: no swizzled address.</p>
      )}
    </dl>
  );
}

function Siblings({ pick, tensor }: { pick: PickReply; tensor: TensorDescriptor }) {
  const format = bitFormat(tensor.dtype, tensor.layout);
  const width = format ? 1 + format.exponent + format.mantissa : 32;
  if (pick.siblings.length === 0) return null;
  return (
    <table className="pick-table" aria-label="The same element in the other sets">
      <thead>
        <tr>
          <th>same element in</th>
          <th>bits</th>
          <th>value</th>
          <th title="value here divided by value there">ratio</th>
        </tr>
      </thead>
      <tbody>
        {pick.siblings.map(({ id, bits, value, ratio }) => (
          <tr key={id}>
            <td title={id}>{id.split('/')[0]}</td>
            <td className="number">{formatHex(bits, width)}</td>
            <td className="number">{exactFloat32(value)}</td>
            <td className="number">{ratio === null ? '-' : shortValue(ratio, 5)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The values an E2M1 code stands for, by its low three bits (facts: nvfp4 format; CUDA cuda_fp4.h). */
const e2m1Magnitudes = ['0', '0.5', '1', '1.5', '2', '3', '4', '6'];

function Codes({ pick }: { pick: PickReply }) {
  if (pick.codes.length === 0) return null;
  return (
    <div>
      <div className="pick-subhead">
        {pick.codes.length} FP4 codes
        {pick.globalScale !== null && (
          <span className="number muted"> × this scale × {shortValue(pick.globalScale, 6)}</span>
        )}
      </div>
      <ol className="pick-codes" aria-label="FP4 codes under this scale">
        {pick.codes.map(({ code, value }, index) => (
          <li
            // biome-ignore lint/suspicious/noArrayIndexKey: a code is its place in the block
            key={index}
            className="number"
            title={`element ${index} of the block: code ${formatHex(code, 4)} = ${code & 8 ? '-' : ''}${e2m1Magnitudes[code & 7]}, decoded ${exactFloat32(value)}`}
          >
            <span className="muted">{code.toString(16).toUpperCase()}</span>
            <span>{shortValue(value, 2)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
