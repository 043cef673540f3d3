/** What config.json and hf_quant_config.json say about quantization. Dtypes decide in the end; this says what was meant. */
import { AppError } from '../../contract/errors';
import { ExcludeList } from './exclude';
import { isObject } from './file-errors';

export type ExpertAlgo = 'nvfp4' | 'w4a16' | 'other';

export interface QuantizationInfo {
  readonly format: 'modelopt' | 'compressed-tensors';
  /** as written: NVFP4, W4A16_NVFP4, MIXED_PRECISION, nvfp4-pack-quantized */
  readonly algo: string;
  readonly producer: string;
  /** what the experts below `module` should be */
  expertAlgo(module: string): ExpertAlgo;
  readonly exclude: ExcludeList;
  readonly warnings: readonly string[];
}

const supported =
  'ModelOpt NVFP4, W4A16_NVFP4, or MIXED_PRECISION with such experts; compressed-tensors nvfp4-pack-quantized (group size 16)';

const modeloptAlgos: Readonly<Record<string, ExpertAlgo>> = { NVFP4: 'nvfp4', W4A16_NVFP4: 'w4a16' };
const algoOf = (name: string) => (Object.hasOwn(modeloptAlgos, name) ? modeloptAlgos[name] : undefined);
const mixed = 'MIXED_PRECISION';

function unknown(subject: string, found: string): AppError {
  return new AppError({
    code: 'unknown-quantization',
    message: `${subject} describes a quantization that MoEscope does not read: ${found}.`,
    subject,
    expected: supported,
    found,
    remedy: 'Open a checkpoint whose experts are NVFP4.',
  });
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/**
 * @param config config.json
 * @param quantConfig hf_quant_config.json, or null when the checkpoint has none
 * @throws AppError `unknown-quantization` naming what was found and what is supported.
 */
export function readQuantization(
  config: Record<string, unknown>,
  quantConfig: Record<string, unknown> | null,
  paths: { config: string; quantConfig: string },
): QuantizationInfo {
  const embedded = embeddedConfig(config);
  if (!embedded && !quantConfig)
    throw unknown(paths.config, 'none (no quantization_config and no hf_quant_config.json)');
  const fromEmbedded = embedded ? readEmbedded(embedded, paths.config) : null;
  const fromFile = quantConfig ? readModelopt(quantConfig, paths.quantConfig) : null;
  if (fromFile && fromEmbedded && fromFile.algo !== fromEmbedded.algo) {
    const warning = `hf_quant_config.json says ${fromFile.algo}, config.json says ${fromEmbedded.algo}; the first is used, dtypes decide.`;
    return { ...fromFile, warnings: [...fromFile.warnings, warning] };
  }
  return (fromFile ?? fromEmbedded)!;
}

function embeddedConfig(config: Record<string, unknown>): Record<string, unknown> | null {
  if (isObject(config.quantization_config)) return config.quantization_config;
  const nested = config.text_config;
  return isObject(nested) && isObject(nested.quantization_config) ? nested.quantization_config : null;
}

function readEmbedded(config: Record<string, unknown>, path: string): QuantizationInfo {
  const method = text(config.quant_method);
  if (method === 'compressed-tensors') return readCompressedTensors(config, path);
  // Newer ModelOpt exports write `modelopt`; vLLM also takes `modelopt_fp4` and `modelopt_mixed`.
  if (method.startsWith('modelopt')) {
    return readModelopt(
      {
        producer: config.producer,
        quantization: { ...config, exclude_modules: config.ignore ?? config.exclude_modules },
      },
      path,
    );
  }
  throw unknown(path, method ? `quant_method ${method}` : 'quantization_config without quant_method');
}

function readModelopt(file: Record<string, unknown>, path: string): QuantizationInfo {
  const quantization = isObject(file.quantization) ? file.quantization : {};
  const algo = text(quantization.quant_algo);
  const layers = isObject(quantization.quantized_layers) ? quantization.quantized_layers : {};
  const groupSize = quantization.group_size;
  const whole = algoOf(algo);
  if (whole === undefined && algo !== mixed) throw unknown(path, algo ? `quant_algo ${algo}` : 'no quant_algo');
  if (whole !== undefined && groupSize !== undefined && groupSize !== 16)
    throw unknown(path, `${algo} with group_size ${String(groupSize)}`);
  const producer = isObject(file.producer) ? file.producer : {};
  return {
    format: 'modelopt',
    algo,
    producer: [text(producer.name), text(producer.version)].filter(Boolean).join(' ') || 'unknown',
    expertAlgo: whole !== undefined ? () => whole : mixedAlgos(layers),
    exclude: new ExcludeList(quantization.exclude_modules),
    warnings: [],
  };
}

/** MIXED_PRECISION: `quantized_layers` maps a module, a parent of it, or a pattern with `*` to its algorithm. */
function mixedAlgos(layers: Record<string, unknown>): (module: string) => ExpertAlgo {
  const rules = Object.entries(layers).map(([name, value]) => {
    const algo = isObject(value) ? text(value.quant_algo) : '';
    return { list: new ExcludeList([name]), name, algo: algoOf(algo) ?? ('other' as const) };
  });
  const exact = new Map(rules.map((rule) => [rule.name, rule.algo]));
  const wide = rules.filter((rule) => rule.name.includes('*'));
  return (module) => {
    for (let name = module; name; name = name.slice(0, Math.max(0, name.lastIndexOf('.')))) {
      const algo = exact.get(name);
      if (algo) return algo;
    }
    return wide.find((rule) => rule.list.matches(module))?.algo ?? 'other';
  };
}

const packed = 'nvfp4-pack-quantized';

function readCompressedTensors(config: Record<string, unknown>, path: string): QuantizationInfo {
  const groups = isObject(config.config_groups) ? Object.values(config.config_groups).filter(isObject) : [];
  const format = text(config.format);
  const fits = groups.filter((group) => (text(group.format) || format) === packed && isNvfp4(group.weights));
  if (fits.length === 0) throw unknown(path, `compressed-tensors ${format || 'without a format'}`);
  const weightsOnly = fits.every((group) => !isObject(group.input_activations));
  return {
    format: 'compressed-tensors',
    algo: packed,
    producer: ['compressed-tensors', text(config.version)].filter(Boolean).join(' '),
    expertAlgo: () => (weightsOnly ? 'w4a16' : 'nvfp4'),
    exclude: new ExcludeList(config.ignore),
    warnings: [],
  };
}

function isNvfp4(weights: unknown): boolean {
  return isObject(weights) && weights.num_bits === 4 && weights.type === 'float' && weights.group_size === 16;
}
