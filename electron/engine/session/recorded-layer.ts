import { AppError } from '../../contract/errors';
import type { LoadedLayer } from '../layer/load-layer';
import type { NativeBinding, ProjectionSources } from '../native/binding';
import type { LayerTensors } from './records';
import type { ReplaySource } from './replay-source';

/** Whether a recording holds the layer's weights. */
export function hasWeights(recorded: LayerTensors | null): recorded is LayerTensors {
  return recorded?.tensors.some(({ set, role }) => set === 'checkpoint' && role === 'weight') ?? false;
}

/**
 * The layer of a session that was recorded with its weights, assembled from the recording alone: the checkpoint's tensors
 * as they were after the gate/up merge. Null where the recording has no weights.
 * @param options exchanged: gate's rows taken for up's and up's for gate's
 */
export async function recordedLayer(
  source: ReplaySource,
  binding: NativeBinding,
  { exchanged = false }: { exchanged?: boolean } = {},
): Promise<LoadedLayer | null> {
  const recorded = source.recordedLayer;
  if (!hasWeights(recorded)) return null;
  const { file, begins } = await source.located(recorded.blob);
  const tensors = await source.tensorsOf(recorded.blob);
  const { layer, swiglu } = source.environment;
  const { hidden, intermediate, experts, gated } = layer.shape;
  const beginOf = (name: string) => {
    const begin = begins.get(`checkpoint/${name}`);
    if (begin === undefined)
      throw new AppError({
        code: 'session-incomplete',
        message: `The recording has no tensor ${name}.`,
        subject: name,
      });
    return begin;
  };
  const scalars = (name: string): Float32Array | null => {
    const tensor = tensors[`checkpoint/${name}`];
    return tensor ? new Float32Array(tensor.read(0, tensor.info().bytes).slice().buffer) : null;
  };
  /** The part of every expert's merged projection that begins at row `row`. `part` picks its input scale where there is one a half: (gate, up). */
  const sources = (
    prefix: 'w13' | 'w2',
    row: number,
    allRows: number,
    columns: number,
    part: number,
  ): ProjectionSources => {
    const s2 = scalars(`${prefix}_weight_scale_2`);
    if (!s2)
      throw new AppError({ code: 'session-incomplete', message: `The recording has no ${prefix}_weight_scale_2.` });
    const input = scalars(`${prefix}_input_scale`);
    const parts = input ? input.length / experts : 1;
    const places = (name: string, rowBytes: number) => {
      const begin = beginOf(name);
      return Float64Array.from({ length: experts }, (_, expert) => begin + (expert * allRows + row) * rowBytes);
    };
    return {
      file: new Int32Array(experts),
      packed: places(`${prefix}_weight`, columns / 2),
      scaleFile: new Int32Array(experts),
      scale: places(`${prefix}_weight_scale`, columns / 16),
      s2,
      inputScale: input
        ? Float32Array.from(
            { length: experts },
            (_, expert) => input[expert * parts + Math.min(part, parts - 1)] as number,
          )
        : null,
    };
  };
  const fc1Rows = gated ? 2 * intermediate : intermediate;
  const native = await binding.assembleLayer({
    ...layer.shape,
    swigluAlpha: swiglu.alpha,
    swigluLimit: swiglu.limit,
    convention: 'small',
    merge: 'max',
    files: [file],
    gate: gated ? sources('w13', exchanged ? 0 : intermediate, fc1Rows, hidden, 0) : null,
    up: sources('w13', exchanged ? intermediate : 0, fc1Rows, hidden, 1),
    down: sources('w2', 0, hidden, intermediate, 0),
  });
  return {
    plan: {
      index: layer.index,
      prefix: layer.prefix,
      shape: layer.shape,
      quantization: layer.hybrid.possible ? 'nvfp4' : 'w4a16',
      convention: 'small',
      swigluAlpha: swiglu.alpha,
      swigluLimit: swiglu.limit,
      // A recording has no tensors of single experts to name in messages.
      gate: null,
      up: { packed: [], scale: [], s2: [], input: null },
      down: { packed: [], scale: [], s2: [], input: null },
      notes: [],
    },
    native,
    report: native.report(),
    merge: layer.merge,
    notes: layer.notes,
  };
}
