/** A question to the layout search from tensors of safetensors files. */
import { AppError } from '../../contract/errors';
import { fileError } from '../checkpoint/file-errors';
import { readHeader } from '../checkpoint/safetensors/catalog';
import type { TensorEntry } from '../checkpoint/safetensors/header';
import type { NativeBinding, NativeTensor } from '../native/binding';
import type { LayoutQuestion } from '../native/layout-binding';
import { blockElements } from '../tensors/logical-shape';

type Dtype = Parameters<NativeBinding['tensorFromFile']>[1]['dtype'];

/** What the user named; null where not given. */
export interface LayoutRequest {
  file: string;
  tensor: string;
  /** packed weights, in `weightsFile` or else in `file`; null = the scale's name without "_scale" where the file has it */
  weights: string | null;
  weightsFile: string | null;
  /** experts, N, K/16; null = from the packed weights */
  shape: readonly [number, number, number] | null;
  gated: boolean;
  reference: { file: string; weights: string | null; x: string | null; y: string | null; expert: number } | null;
}

/** One opened file: its tensors by name, as native tensors. */
export class TensorFile {
  private constructor(
    private readonly binding: Pick<NativeBinding, 'tensorFromFile'>,
    readonly path: string,
    private readonly file: Awaited<ReturnType<NativeBinding['mapFile']>>,
    readonly tensors: ReadonlyMap<string, TensorEntry>,
  ) {}

  /** Throws AppError as `readHeader` and the map do. */
  static async open(binding: NativeBinding, path: string): Promise<TensorFile> {
    const header = await readHeader(path);
    const file = await binding.mapFile(path).catch((thrown) => {
      throw fileError(thrown, path);
    });
    return new TensorFile(binding, path, file, header.tensors);
  }

  /** @throws AppError `missing-tensor` with the names there are. */
  entry(name: string): TensorEntry {
    const entry = this.tensors.get(name);
    if (entry) return entry;
    const names = [...this.tensors.keys()];
    const listed = names.slice(0, 12).join(', ') + (names.length > 12 ? `, and ${names.length - 12} more` : '');
    throw new AppError({
      code: 'missing-tensor',
      message: `${this.path} has no tensor ${name}.`,
      subject: this.path,
      expected: `one of ${listed}`,
      found: name,
    });
  }

  /** A tensor as it is stored; `fp4` reads U8 as packed codes. */
  native(name: string, layout: 'linear' | 'fp4' = 'linear'): NativeTensor {
    const { dtype, shape, begin, end } = this.entry(name);
    return this.binding.tensorFromFile(this.file, {
      name,
      dtype: dtype as Dtype,
      shape: [...shape],
      layout,
      offset: begin,
      bytes: end - begin,
    });
  }

  close(): void {
    this.file.close();
  }
}

/** Files that are kept open while the question is worked on, each opened once. */
export class OpenFiles {
  private readonly files = new Map<string, TensorFile>();
  constructor(private readonly binding: NativeBinding) {}

  async get(path: string): Promise<TensorFile> {
    const known = this.files.get(path);
    if (known) return known;
    const opened = await TensorFile.open(this.binding, path);
    this.files.set(path, opened);
    return opened;
  }

  close(): void {
    for (const file of this.files.values()) file.close();
  }
}

/** Names that the packed weights of a scale tensor have (ModelOpt `weight`, compressed-tensors `weight_packed`). */
function weightsOf(file: TensorFile, tensor: string): string | null {
  if (!tensor.endsWith('_scale')) return null;
  const stem = tensor.slice(0, -'_scale'.length).replace('_cutlass_', '_');
  return [stem, `${stem}_packed`].find((name) => file.tensors.get(name)?.dtype === 'U8') ?? null;
}

function planesOf(shape: readonly number[]): number {
  return shape.slice(0, -2).reduce((product, size) => product * size, 1);
}

function shapeOf(name: string, codes: TensorEntry | null): [number, number, number] {
  if (codes && codes.shape.length >= 2) {
    const rows = codes.shape[codes.shape.length - 2] as number;
    const bytes = codes.shape[codes.shape.length - 1] as number;
    return [planesOf(codes.shape), rows, (bytes * 2) / blockElements];
  }
  throw new AppError({
    code: 'usage',
    message: `The logical shape of ${name} is not known.`,
    subject: '--shape',
    expected: 'experts,rows,columns with columns = K/16, or the packed weights that the scales belong to',
    remedy: 'Give --shape E,N,C, or --weights NAME.',
  });
}

/** The reference weights: as named, else the only float tensor of two dimensions or more in the file. */
function referenceName(file: TensorFile, named: string | null): string {
  if (named !== null) return file.entry(named).name;
  const floats = [...file.tensors.values()].filter(
    ({ dtype, shape }) => /^(F16|BF16|F32|F64)$/.test(dtype) && shape.length >= 2,
  );
  if (floats.length === 1) return (floats[0] as TensorEntry).name;
  throw new AppError({
    code: 'usage',
    message: `${file.path} has ${floats.length} float tensors that may be the reference.`,
    subject: '--reference',
    expected: '--reference-weights NAME, or --reference-input NAME with --reference-output NAME',
    found: floats
      .slice(0, 8)
      .map(({ name }) => name)
      .join(', '),
  });
}

/** Opens what the request names. Throws AppError `missing-tensor`, `usage`, and those of reading files. */
export async function layoutQuestion(files: OpenFiles, request: LayoutRequest): Promise<LayoutQuestion> {
  const file = await files.get(request.file);
  const scales = file.native(request.tensor);
  const weightsFile = request.weightsFile === null ? file : await files.get(request.weightsFile);
  const weights = request.weights ?? weightsOf(weightsFile, request.tensor);
  const codes = weights === null ? null : weightsFile.entry(weights);
  const [planes, rows, columns] = request.shape ?? shapeOf(request.tensor, codes);
  const question: LayoutQuestion = {
    scales,
    planes,
    rows,
    columns,
    gated: request.gated,
    ...(weights !== null && { codes: weightsFile.native(weights, 'fp4') }),
  };
  const { reference } = request;
  if (reference === null) return question;
  const from = await files.get(reference.file);
  if (reference.x === null || reference.y === null)
    return { ...question, weights: from.native(referenceName(from, reference.weights)) };
  return { ...question, x: from.native(reference.x), y: from.native(reference.y), plane: reference.expert };
}
