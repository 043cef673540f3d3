/** Sorts the tensors of a checkpoint into layers: which are MoE, which projections their experts have. */

import { isFusedExperts, type Projection, parseExpertName, parseLayerName } from './families';
import type { Catalog, CatalogTensor } from './safetensors/catalog';

/** Tensors of one projection of one expert, by suffix ("weight", "weight_scale", ...). */
export type ProjectionTensors = Map<string, CatalogTensor>;

export interface ExpertGroup {
  readonly projections: Map<Projection, ProjectionTensors>;
}
export interface LayerGroup {
  readonly index: number;
  /** "model.layers.3" */
  readonly prefix: string;
  /** "model.layers.3.mlp.experts"; null when the layer has no per-expert tensors */
  expertsPrefix: string | null;
  readonly experts: Map<number, ExpertGroup>;
  /** the family's own names: gate -> "gate_proj" or "w1" */
  readonly written: Map<Projection, string>;
  /** one tensor name that holds all experts of the layer, when the export is of that kind */
  fused: string | null;
  hasMlp: boolean;
  bytes: number;
  correctionBias: string | null;
}

export interface LayerGroups {
  /** by layer number, in order */
  readonly layers: LayerGroup[];
  readonly warnings: string[];
}

interface LayerStack {
  readonly layers: Map<number, LayerGroup>;
  expertTensors: number;
  tensors: number;
}

const mlpNames = /(^|\.)(mlp|feed_forward|ffn|mixer)\.(gate_proj|up_proj|down_proj|gate_up_proj|w1|w2|w3)\./;
const correctionBias = /(^|\.)(gate\.)?e_score_correction_bias$/;

/**
 * Groups by layer. A checkpoint may hold several stacks of layers (a vision tower, a multi-token-prediction head); the one
 * with the most expert tensors, or else the most tensors, is the model, the others are named in a warning.
 */
export function groupLayers(catalog: Catalog): LayerGroups {
  const roots = new Map<string, LayerStack>();
  for (const tensor of catalog.tensors.values()) {
    const place = parseLayerName(tensor.name);
    if (!place) continue;
    const root = entry(roots, place.root, () => ({ layers: new Map(), expertTensors: 0, tensors: 0 }));
    root.tensors++;
    const layer = entry(root.layers, place.layer, () => newLayer(place.root, place.layer));
    layer.bytes += tensor.end - tensor.begin;
    if (addTensor(layer, tensor, place.rest)) root.expertTensors++;
  }
  const ranked = [...roots.entries()].sort(
    ([, a], [, b]) => b.expertTensors - a.expertTensors || b.tensors - a.tensors,
  );
  const model = ranked[0];
  const warnings = ranked
    .slice(1)
    .filter(([, root]) => root.expertTensors > 0)
    .map(
      ([name, root]) =>
        `${name}layers: ${root.layers.size} further layers with experts (a prediction head?) are not listed.`,
    );
  const layers = model ? [...model[1].layers.values()].sort((a, b) => a.index - b.index) : [];
  return { layers, warnings };
}

/** The value of a key, made at first use. */
function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}

function newLayer(root: string, index: number): LayerGroup {
  return {
    index,
    prefix: `${root}layers.${index}`,
    expertsPrefix: null,
    experts: new Map(),
    written: new Map(),
    fused: null,
    hasMlp: false,
    bytes: 0,
    correctionBias: null,
  };
}

/** Returns true for a tensor of a routed expert. */
function addTensor(layer: LayerGroup, tensor: CatalogTensor, rest: string): boolean {
  const part = parseExpertName(tensor.name);
  if (!part) {
    if (isFusedExperts(rest)) layer.fused = tensor.name;
    else if (mlpNames.test(rest)) layer.hasMlp = true;
    else if (correctionBias.test(rest)) layer.correctionBias = tensor.name;
    return false;
  }
  layer.expertsPrefix ??= `${layer.prefix}.${part.module ? `${part.module}.` : ''}experts`;
  layer.written.set(part.projection, part.written);
  const expert = entry(layer.experts, part.expert, (): ExpertGroup => ({ projections: new Map() }));
  entry(expert.projections, part.projection, (): ProjectionTensors => new Map()).set(part.suffix, tensor);
  return true;
}
