/** Input scales: missing, or not the same for all experts. */
import { expertsAbove, type Found, type Hazard } from './hazard';

export const missingInput: Hazard = {
  id: 'missing-input-scale',
  title: 'the layer has no input scales',
  reference: 'vLLM #37462, vLLM #31085',
  looksAt: 'input_scale or input_global_scale of every projection',
  find({ quantization, meantActivations }) {
    if (quantization !== 'w4a16') return [];
    return [
      {
        severity: meantActivations ? 'error' : 'info',
        tensor: null,
        measured: { configuration: meantActivations ? 'NVFP4 activations' : 'weights only (W4A16)' },
        explanation: meantActivations
          ? 'The configuration asks for NVFP4 activations and no input scale was exported. Loaders that allocate the parameter leave it uninitialized: outputs become NaN.'
          : 'A weight-only (W4A16) checkpoint: the CUTLASS path, any threshold above 0 and the contract clean cannot run on it.',
        remedy: meantActivations
          ? 'Calibrate and export again, with input scales.'
          : 'Use unit-alpha with threshold 0, or export NVFP4 with activations for the hybrid layer.',
      },
    ];
  },
};

/** From a factor of 2 on, one bit of an expert's range goes to the shared scale. */
const oneBit = 2;

export const differingInput: Hazard = {
  id: 'input-scales-differ',
  title: 'experts have different input scales',
  reference: 'vLLM nvfp4_emulation_utils.py, vLLM #26135, vLLM #34646',
  looksAt: 'input scales over experts (and over gate and up) against the maximum, which the layer uses for all',
  notChecked: ({ quantization }) => (quantization === 'w4a16' ? 'the layer has no input scales' : null),
  find: ({ projections, a1, a2 }) =>
    projections.flatMap(({ name, tensor, input }): Found[] => {
      const shared = tensor === 'w13' ? a1 : a2;
      if (!input || shared === null) return [];
      const ratios = Array.from(input, (scale) => shared / scale);
      const most = Math.max(...ratios);
      if (most === 1) return [];
      return [
        {
          severity: most >= oneBit ? 'warning' : 'info',
          tensor: `checkpoint/${tensor}_input_scale`,
          projection: name,
          experts: expertsAbove(ratios, most >= oneBit ? oneBit : 1 + 2 ** -23),
          measured: {
            shared,
            smallest: Math.min(...input),
            largestRatio: most,
            bitsOfRange: Math.log2(most),
            distinct: new Set(input).size,
          },
          explanation: `The layer quantizes every expert's input with the maximum over experts; the smallest scale is ${most.toPrecision(3)} times below it and loses ${Math.log2(most).toFixed(1)} bits of range. An implementation with a scale for each expert gives other outputs, and an EPLB move that leaves input scales out is not safe.`,
          remedy: 'Say which one is meant when outputs are compared; calibrate one scale for all experts.',
        },
      ];
    }),
};
