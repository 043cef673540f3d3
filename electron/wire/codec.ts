/**
 * Messages as bytes, for the WebSocket: MessagePack with one extension type for typed arrays. Used by both ends, so it
 * imports neither Node nor the DOM.
 *
 * Typed array: extension 1, data = dtype tag (1 byte), then the elements, little-endian. Decoding copies them into a
 * buffer of their own, because a view at an odd offset into the message is not allowed for types wider than a byte.
 * 64-bit integers travel as BigInt (int64); plain numbers beyond 32 bits travel as float64, so they come back as numbers.
 * Properties whose value is `undefined` are left out, as an absent optional field. A scalar -0 arrives as 0 (MessagePack
 * has no negative zero among its integers); inside a typed array every bit is kept.
 */
import { decode, ExtData, ExtensionCodec, encode } from '@msgpack/msgpack';

const typedArrayExtension = 1;

/** The place of a type in this list, plus one, is its tag on the wire: append only. */
const dtypes = [
  Float32Array,
  Float64Array,
  Int8Array,
  Uint8Array,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
] as const;

function typedArrayToBytes(value: unknown): Uint8Array | null {
  if (!ArrayBuffer.isView(value)) return null;
  // By name and not by constructor: the array may come from another realm, and Buffer is sent as the Uint8Array it is.
  const name = Object.prototype.toString.call(value).slice('[object '.length, -1);
  const tag = dtypes.findIndex((dtype) => dtype.name === name) + 1;
  if (tag === 0) throw new TypeError(`${name} cannot be sent: expected one of ${dtypes.map((d) => d.name).join(', ')}`);
  const bytes = new Uint8Array(1 + value.byteLength);
  bytes[0] = tag;
  bytes.set(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), 1);
  return bytes;
}

function bytesToTypedArray(bytes: Uint8Array): unknown {
  const dtype = dtypes[(bytes[0] ?? 0) - 1];
  if (dtype === undefined) throw new RangeError(`typed array with unknown tag ${bytes[0] ?? 'none'}`);
  const length = (bytes.byteLength - 1) / dtype.BYTES_PER_ELEMENT;
  if (!Number.isInteger(length)) {
    throw new RangeError(
      `${dtype.name} of ${bytes.byteLength - 1} bytes: not a multiple of ${dtype.BYTES_PER_ELEMENT}`,
    );
  }
  // Uint8Array.prototype.slice by name: on a Buffer, slice would be a view and not a copy.
  return new dtype(Uint8Array.prototype.slice.call(bytes, 1).buffer);
}

const extensionCodec = new ExtensionCodec();
extensionCodec.register({ type: typedArrayExtension, encode: typedArrayToBytes, decode: bytesToTypedArray });

/**
 * One message as bytes.
 * @throws TypeError for a value that has no form on the wire (function, symbol, DataView), RangeError below depth 32.
 */
export function encodeMessage(message: unknown): Uint8Array {
  return encode(message, { extensionCodec, useBigInt64: true, ignoreUndefined: true, maxDepth: 32 });
}

/**
 * The message in `bytes`, which must hold exactly one.
 * @throws RangeError or DecodeError for truncated, trailing or malformed bytes, and for an unknown extension type.
 */
export function decodeMessage(bytes: Uint8Array): unknown {
  return refuseUnknownExtensions(decode(bytes, { extensionCodec, useBigInt64: true }));
}

function refuseUnknownExtensions(value: unknown): unknown {
  if (value instanceof ExtData) throw new RangeError(`unknown extension type ${value.type}`);
  if (Array.isArray(value)) value.forEach(refuseUnknownExtensions);
  else if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    Object.values(value).forEach(refuseUnknownExtensions);
  }
  return value;
}
