/** Loads one layer: reads its scalars, checks them, and has the addon assemble the rest. */
import { AppError } from '../../contract/errors';
import type { LayerSummary } from '../../contract/layer';
import type { Checkpoint } from '../checkpoint/checkpoint';
import type { LayerPlan, ProjectionPlan } from '../checkpoint/layer-plan';
import type { CatalogTensor } from '../checkpoint/safetensors/catalog';
import type {
  AssembleReport,
  CheckpointLayer,
  MappedFile,
  NativeBinding,
  PreparedLayer,
  ProjectionSources,
  TaskOptions,
} from '../native/binding';
import { readScale } from './scales';

/** gate/up weight_scale_2 that differ: `max` rescales (newer vLLM), `column-0` takes gate's (older vLLM). */
export type Merge = 'max' | 'column-0';

/** A layer as the checkpoint has it, in native memory. */
export interface LoadedLayer {
  readonly plan: LayerPlan;
  readonly native: CheckpointLayer;
  readonly report: AssembleReport;
  readonly merge: Merge;
  readonly notes: readonly string[];
}

export interface LoadOptions extends TaskOptions {
  /** default `max` */
  merge?: Merge;
}

/**
 * @param index layer number
 * @throws AppError: what `Checkpoint.plan` throws, `bad-scale` naming the tensor (NaN, negative, zero, or the wrong form),
 *   `cancelled`, `out-of-memory`, `file-truncated`.
 */
export async function loadLayer(
  checkpoint: Checkpoint,
  index: number,
  binding: NativeBinding,
  { merge = 'max', ...task }: LoadOptions = {},
): Promise<LoadedLayer> {
  const plan = checkpoint.plan(index);
  const files = await mapFiles(checkpoint, plan, binding);
  const source = (projection: ProjectionPlan) => projectionSources(projection, files, plan);
  const spec = {
    ...plan.shape,
    swigluAlpha: plan.swigluAlpha,
    swigluLimit: plan.swigluLimit,
    convention: plan.convention,
    merge,
    files: files.list,
    gate: plan.gate ? source(plan.gate) : null,
    up: source(plan.up),
    down: source(plan.down),
  };
  try {
    const native = await binding.assembleLayer(spec, task);
    const report = native.report();
    return { plan, native, report, merge, notes: [...plan.notes, ...mergeNotes(report, merge)] };
  } catch (thrown) {
    throw nameTensor(AppError.from(thrown), thrown, plan);
  }
}

interface OpenFiles {
  /** in the order of `spec.files` */
  list: MappedFile[];
  /** catalog's file number -> place in `list` */
  place: Map<number, number>;
}

async function mapFiles(checkpoint: Checkpoint, plan: LayerPlan, binding: NativeBinding): Promise<OpenFiles> {
  const place = new Map<number, number>();
  const list: MappedFile[] = [];
  for (const projection of [plan.gate, plan.up, plan.down]) {
    if (!projection) continue;
    for (const tensors of [projection.packed, projection.scale, projection.s2, projection.input ?? []]) {
      for (const { file } of tensors) {
        if (place.has(file)) continue;
        place.set(file, list.length);
        list.push(await checkpoint.file(file, binding));
      }
    }
  }
  return { list, place };
}

function projectionSources(projection: ProjectionPlan, files: OpenFiles, plan: LayerPlan): ProjectionSources {
  const placeOf = ({ file }: CatalogTensor) => files.place.get(file)!;
  const scalars = (tensors: readonly CatalogTensor[], what: 'weight' | 'input') =>
    Float32Array.from(tensors, (tensor) => readScale(tensor, files.list[placeOf(tensor)]!, what, plan.convention));
  return {
    file: Int32Array.from(projection.packed, placeOf),
    packed: Float64Array.from(projection.packed, (tensor) => tensor.begin),
    scaleFile: Int32Array.from(projection.scale, placeOf),
    scale: Float64Array.from(projection.scale, (tensor) => tensor.begin),
    s2: scalars(projection.s2, 'weight'),
    inputScale: projection.input ? scalars(projection.input, 'input') : null,
  };
}

function mergeNotes(report: AssembleReport, merge: Merge): string[] {
  if (report.differingGateUp === 0) return [];
  const done =
    merge === 'max'
      ? `the larger is used and ${report.rescaledBlockScales} block scales were rounded a second time`
      : "gate's is used for both, so up is off by the ratio";
  return [`Gate and up have different global scales in ${report.differingGateUp} experts: ${done}.`];
}

/** The addon knows projection and expert; people know the tensor by its name. */
function nameTensor(error: AppError, thrown: unknown, plan: LayerPlan): AppError {
  const details = (thrown as { details?: Record<string, unknown> } | null)?.details;
  const projection = details?.projection;
  const expert = details?.expert;
  if (typeof expert !== 'number' || (projection !== 'gate' && projection !== 'up' && projection !== 'down'))
    return error;
  const tensors = plan[projection];
  const kind = typeof details?.row === 'number' ? 'scale' : 's2';
  const name = tensors?.[kind][expert]?.name;
  return name ? new AppError({ ...error.toData(), subject: name, message: `${name}: ${error.message}` }) : error;
}

/** Whether both paths can serve a layer: CUTLASS needs input scales (FlashInfer #3407 takes nvfp4 only). */
export function hybridPossible(layer: Pick<LoadedLayer, 'plan'>): { possible: boolean; reason: string } {
  return layer.plan.quantization === 'nvfp4'
    ? { possible: true, reason: '' }
    : {
        possible: false,
        reason: 'The checkpoint is weight-only (W4A16): it has no input scales, which CUTLASS needs.',
      };
}

/** What the window and `inspect` show of a prepared layer. */
export function summarizeLayer(layer: LoadedLayer, prepared: PreparedLayer): LayerSummary {
  const { report, plan } = layer;
  return {
    index: plan.index,
    prefix: plan.prefix,
    shape: plan.shape,
    contract: prepared.contract,
    merge: layer.merge,
    differingGateUp: report.differingGateUp,
    rescaledBlockScales: report.rescaledBlockScales,
    a1: report.a1,
    a2: report.a2,
    s2Min: report.s2Min,
    s2Max: report.s2Max,
    bytes: prepared.byteSets(),
    registered: prepared.tensors().map((tensor) => tensor.info().name),
    hybrid: hybridPossible(layer),
    notes: [...layer.notes],
  };
}
