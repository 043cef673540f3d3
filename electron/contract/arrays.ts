/** Typed arrays as schemas. Checked by tag and not by constructor, so that arrays of another realm pass. */
import { z } from 'zod';

const tagged = <T>(tag: string) =>
  z.custom<T>((value) => Object.prototype.toString.call(value) === `[object ${tag}]`, `expected ${tag}`);

export const float32Array = tagged<Float32Array>('Float32Array');
export const float64Array = tagged<Float64Array>('Float64Array');
export const int32Array = tagged<Int32Array>('Int32Array');
export const uint8Array = tagged<Uint8Array>('Uint8Array');
