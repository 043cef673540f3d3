/** The part of the addon that says why two outputs differ (native/explain). */
import type { CauseId, Deviation, Diagnosis } from '../../contract/explanation';
import type { Contract, Kernel, Path, ReferenceContract } from '../../contract/layer';
import type { CancelFlag, CheckpointLayer, NativeTensor, RunResult } from './binding';

/** Which documented pipeline a side is: contract and kernel as dispatched. */
export interface ModelledPath {
  /** default: the request's. `ideal` is for the reference alone; the other two of its own have no model */
  contract?: Contract | ReferenceContract;
  /** the fp64 reference with the scales of `path`: nothing is rounded between its stages, and no kernel is asked for */
  reference?: boolean;
  path: Exclude<Path, 'reference'>;
  kernel: Kernel;
  tileM: number;
  tileN: number;
}

export interface ModelBatch {
  tokens: number;
  /** BF16 bits [T, H] */
  x: Uint16Array;
  topkIds: Int32Array; // [T, k]
  topkWeights: Float32Array; // [T, k]
  cancel?: CancelFlag;
}

export interface CauseShare {
  id: CauseId;
  /** (E - E with this cause undone alone) / E, E = ||y_A - y_B||^2 */
  share: number;
  /** 95 % bootstrap interval of the share, tokens resampled */
  interval: [number, number];
  /** NRMSE against B when this cause alone is left in */
  nrmseAlone: number;
}

export interface Attribution {
  causes: CauseShare[];
  /** 1 - sum of shares - rest: what the causes do together beyond (or less than) each by itself */
  interaction: number;
  /** E with every cause undone / E */
  rest: number;
  /** E, and sqrt(E) / ||y_B|| */
  total: { energy: number; nrmse: number };
}

export interface AttributionRequest extends ModelBatch {
  checkpoint: CheckpointLayer;
  contract: Contract;
  a: ModelledPath;
  b: ModelledPath;
  /** outputs as observed, [T, H]; absent: the model's own */
  observedA?: NativeTensor;
  observedB?: NativeTensor;
  /** causes that A has beyond its documented pipeline (from `diagnose`) */
  deviations?: Deviation[];
  /** the same of B */
  deviationsB?: Deviation[];
  /** of the bootstrap */
  seed: number;
  resamples: number;
}

export interface DiagnosisRequest extends ModelBatch {
  checkpoint: CheckpointLayer;
  contract: Contract;
  model: ModelledPath;
  /** "y", and those of x_q, x_sf, fc1, act, act_q, act_sf, fc2 that are known */
  observed: Record<string, NativeTensor>;
  seed: number;
}

export interface ExplainBinding {
  /** Every cause that the model knows: what `causeIds` is held against. */
  causes(): CauseId[];
  /** Counterfactuals of a known pair: each cause undone alone. Throws `unsupported` for a layer without input scales. */
  attribute(request: AttributionRequest): Promise<Attribution>;
  /** Which deviations from the documented pipeline explain what was observed; none when it is explained as it is. */
  diagnose(request: DiagnosisRequest): Promise<Diagnosis>;
  /**
   * Runs the documented pipeline with deviations put in: "y" and all taps. `seed` 0 adds in the documented order; any other
   * one draws an order for the sums along K and for atomics, as another machine would.
   */
  runDeviating(
    request: ModelBatch & {
      checkpoint: CheckpointLayer;
      contract: Contract;
      model: ModelledPath;
      deviations: Deviation[];
      seed: number;
    },
  ): Promise<Pick<RunResult, 'tensors'>>;
  /** Every deviation that this layer and pipeline can have. */
  possibleDeviations(request: { checkpoint: CheckpointLayer; contract: Contract; model: ModelledPath }): Deviation[];
}
