/** The least a batch can cost on a device: every reached expert's weights read once, every multiply-add done once. */
import { z } from 'zod';
import type { LayerShape } from '../../../contract/layer';
import { type Floor, type FloorDevice, FloorDeviceSchema } from '../../../contract/routing';
import devices from './devices.json';

/** FP4 weights with an E4M3 scale per 16: 4.5 bits. */
const bytesPerWeight = 0.5625;

/** The devices that floors are computed for. Data, each with its source and date. */
export const floorDevices: readonly FloorDevice[] = z.array(FloorDeviceSchema).parse(devices);

/** Weight matrices of an expert as H x I blocks: gate, up and down, or up and down. */
function matrices({ gated }: LayerShape): number {
  return gated ? 3 : 2;
}

/** mats * H * I * 0.5625 bytes. */
export function bytesPerExpert(shape: LayerShape): number {
  return matrices(shape) * shape.hidden * shape.intermediate * bytesPerWeight;
}

/**
 * Microseconds: U * bytes / bandwidth for the experts reached and for the `expectedUnique` of uniform routing, and
 * 2 * mats * H * I * k * T / rate. Neither launches, nor activations, nor padding are in them.
 */
export function floorOf(
  shape: LayerShape,
  { tokens, unique, expectedUnique }: { tokens: number; unique: number; expectedUnique: number },
  device: FloorDevice,
): Floor {
  const micro = 1e6;
  const readExpert = (bytesPerExpert(shape) / device.bandwidth) * micro;
  const operations = 2 * matrices(shape) * shape.hidden * shape.intermediate * shape.topK * tokens;
  return {
    device,
    memory: unique * readExpert,
    memoryUniform: expectedUnique * readExpert,
    math: (operations / device.rate) * micro,
  };
}
