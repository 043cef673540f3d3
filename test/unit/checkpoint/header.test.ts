import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../electron/contract/errors';
import { headerLength, maxHeaderBytes, parseHeader } from '../../../electron/engine/checkpoint/safetensors/header';
import { encodeHeader } from '../../../electron/engine/checkpoint/safetensors/write';

const path = 'model.safetensors';
const bytes = (text: string) => new TextEncoder().encode(text);

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof AppError) return thrown.code;
    throw thrown;
  }
  return 'fine';
}

function lengthField(length: bigint): Uint8Array {
  const field = new Uint8Array(8);
  new DataView(field.buffer).setBigUint64(0, length, true);
  return field;
}

/** A header over `dataSize` bytes of data. */
const parse = (header: unknown, dataSize: number) => {
  const json = bytes(typeof header === 'string' ? header : JSON.stringify(header));
  return parseHeader(json, 8 + json.length + dataSize, path);
};
const entry = (dtype: string, shape: number[], begin: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('length of the header', () => {
  it.each([
    ['2^63', 2n ** 63n, 'bad-header'],
    ['2^64 - 1', 2n ** 64n - 1n, 'bad-header'],
    ['just above the limit of the format', BigInt(maxHeaderBytes) + 1n, 'bad-header'],
    ['beyond the file', 93n, 'file-truncated'],
    ['nothing', 0n, 'bad-header'],
    ['all of the file', 92n, 'fine'],
  ])('%s', (_what, length, code) => {
    expect(codeOf(() => headerLength(lengthField(length), 100, path))).toBe(code);
  });

  it('a file shorter than the length field', () => {
    expect(codeOf(() => headerLength(new Uint8Array(3), 3, path))).toBe('file-truncated');
  });

  it('names file, length and size', () => {
    expect(() => headerLength(lengthField(2n ** 63n), 100, path)).toThrow(/model\.safetensors/);
    try {
      headerLength(lengthField(2n ** 63n), 100, path);
    } catch (thrown) {
      expect((thrown as AppError).found).toBe('9223372036854775808 bytes (file: 100 bytes)');
    }
  });
});

describe('entries', () => {
  it.each([
    ['two tensors that cover the data', { a: entry('U8', [4], 0, 4), b: entry('F32', [], 4, 8) }, 8, 'fine'],
    [
      'an empty tensor between them',
      { a: entry('U8', [4], 0, 4), z: entry('F32', [0, 3], 4, 4), b: entry('F32', [1], 4, 8) },
      8,
      'fine',
    ],
    ['half-byte elements', { a: entry('F4', [2, 16], 0, 16) }, 16, 'fine'],
    ['half of a byte left over', { a: entry('F4', [3], 0, 1) }, 1, 'wrong-shape'],
    ['overlap', { a: entry('U8', [4], 0, 4), b: entry('U8', [4], 2, 6) }, 6, 'overlapping-tensors'],
    ['one inside the other', { a: entry('U8', [8], 0, 8), b: entry('U8', [2], 2, 4) }, 8, 'overlapping-tensors'],
    ['a hole', { a: entry('U8', [4], 0, 4), b: entry('U8', [2], 6, 8) }, 8, 'bad-header'],
    ['data after the last tensor', { a: entry('U8', [4], 0, 4) }, 5, 'bad-header'],
    ['end before begin', { a: entry('U8', [4], 4, 0) }, 4, 'bad-header'],
    ['negative offset', { a: entry('U8', [4], -4, 0) }, 4, 'bad-header'],
    ['offset that is no integer', { a: entry('U8', [4], 0, 4.5) }, 4, 'bad-header'],
    ['offset beyond 2^53', { a: entry('U8', [4], 0, 2 ** 60) }, 4, 'bad-header'],
    ['past the end of the file', { a: entry('U8', [8], 0, 8) }, 4, 'file-truncated'],
    ['shape that does not fit', { a: entry('U8', [5], 0, 4) }, 4, 'wrong-shape'],
    ['shape whose product overflows', { a: entry('U8', [2 ** 40, 2 ** 40], 0, 4) }, 4, 'wrong-shape'],
    ['unknown dtype', { a: entry('F5', [4], 0, 4) }, 4, 'wrong-dtype'],
    ['dtype that is an object property', { a: entry('constructor', [4], 0, 4) }, 4, 'wrong-dtype'],
    ['no entry', { a: null }, 0, 'bad-header'],
    ['metadata that is no text', { __metadata__: { a: 1 } }, 0, 'bad-header'],
    ['an array', '[]', 0, 'bad-header'],
    ['cut JSON', '{"a": {"dtype"', 0, 'bad-header'],
    [
      'the same name twice',
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      1,
      'bad-header',
    ],
    ['a colon and a brace in a name', { 'a:{"}': entry('U8', [1], 0, 1) }, 1, 'fine'],
    ['a name like a property of objects', '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1, 'fine'],
  ])('%s', (_what, header, dataSize, code) => {
    expect(codeOf(() => parse(header, dataSize))).toBe(code);
  });

  it('bytes that are not UTF-8', () => {
    expect(codeOf(() => parseHeader(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d), 13, path))).toBe('bad-header');
  });

  it('names both tensors of an overlap', () => {
    expect(() => parse({ first: entry('U8', [4], 0, 4), second: entry('U8', [4], 2, 6) }, 6)).toThrow(
      /first and second/,
    );
  });

  it('ranges are absolute', () => {
    const { tensors, dataStart } = parse({ a: entry('U8', [4], 0, 4), b: entry('F32', [], 4, 8) }, 8);
    expect(tensors.get('b')).toMatchObject({ begin: dataStart + 4, end: dataStart + 8, shape: [] });
  });
});

describe('whatever the bytes are', () => {
  it('random bytes give a coded error or a header', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 400 }), (file) => {
        const read = () => {
          const length = headerLength(file.subarray(0, 8), file.length, path);
          parseHeader(file.subarray(8, 8 + length), file.length, path);
        };
        expect(codeOf(read)).not.toBe('internal');
      }),
      { numRuns: 2000 },
    );
  });

  it('random JSON gives a coded error or a header', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(64), (json, dataSize) => {
        expect(codeOf(() => parse(json, dataSize))).not.toBe('internal');
      }),
      { numRuns: 2000 },
    );
  });

  it('entries that almost fit give a coded error or ranges inside the file', () => {
    const number = fc.oneof(fc.nat(70), fc.constantFrom(-1, 1.5, 2 ** 53, 1e300));
    const tensor = fc.record({
      dtype: fc.constantFrom('U8', 'F4', 'F8_E4M3', 'BF16', 'F32', 'I64', 'x'),
      shape: fc.array(number, { maxLength: 3 }),
      data_offsets: fc.array(number, { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.dictionary(fc.string(), tensor, { maxKeys: 5 }), fc.nat(70), (header, dataSize) => {
        const json = bytes(JSON.stringify(header));
        const size = 8 + json.length + dataSize;
        const code = codeOf(() => {
          for (const { begin, end } of parseHeader(json, size, path).tensors.values()) {
            expect(begin).toBeGreaterThanOrEqual(8 + json.length);
            expect(end).toBeLessThanOrEqual(size);
          }
        });
        expect(code).not.toBe('internal');
      }),
      { numRuns: 2000 },
    );
  });

  it('what the writer writes is read back', () => {
    const spec = fc.record({
      dtype: fc.constantFrom('U8', 'F8_E4M3', 'BF16', 'F32', 'F64'),
      shape: fc.array(fc.nat(6), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string(), { maxLength: 6 }),
        fc.array(spec, { minLength: 6, maxLength: 6 }),
        (names, specs) => {
          const tensors = names.filter((name) => name !== '__metadata__').map((name, i) => ({ name, ...specs[i]! }));
          const header = encodeHeader(tensors);
          const length = headerLength(header.subarray(0, 8), header.length, path);
          const widths: Record<string, number> = { U8: 1, F8_E4M3: 1, BF16: 2, F32: 4, F64: 8 };
          const data = tensors.reduce(
            (sum, { dtype, shape }) => sum + shape.reduce((a, b) => a * b, widths[dtype]!),
            0,
          );
          const read = parseHeader(header.subarray(8, 8 + length), header.length + data, path);
          expect(
            [...read.tensors.values()].map(({ name, dtype, shape }) => ({ name, dtype, shape })).sort(byName),
          ).toEqual([...tensors].sort(byName));
        },
      ),
      { examples: [[['__proto__'], Array.from({ length: 6 }, () => ({ dtype: 'U8' as const, shape: [] }))]] },
    );
  });
});

const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

it('the header of a large model is read in a moment', () => {
  const tensors = Array.from({ length: 120_000 }, (_, i) => ({
    name: `model.layers.${i % 60}.mlp.experts.${i % 512}.up_proj.part${i}`,
    dtype: 'U8',
    shape: [2, 2],
  }));
  const header = encodeHeader(tensors);
  const started = performance.now();
  const { tensors: read } = parseHeader(header.subarray(8), header.length + 4 * tensors.length, path);
  expect(read.size).toBe(120_000);
  // About half a second on an idle core; a quadratic step would take many minutes, so a busy machine may have its time.
  expect(performance.now() - started).toBeLessThan(20_000);
});
