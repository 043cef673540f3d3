"""Peer: Humming (humming-kernels of PyPI, Apache-2.0), NVFP4 weights and bf16 activations, with the kernels its own heuristics choose.

Its code is not in this repository: scripts/bench/humming.mjs fetches it, and `prepare` is told where it lies.
"""

import os
import shutil
import sys
from pathlib import Path

import torch
import triton

from humming_rows import SortedRows, activate, finalize, gather

BLOCK = 1024


def prepare(folder):
    """Makes `import humming` work; its compiled kernels go to a folder beside it."""
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        raise RuntimeError("Humming compiles its kernels with nvcc, which is not on the PATH")
    os.environ.setdefault("CUDA_HOME", str(Path(nvcc).resolve().parents[1]))
    os.environ.setdefault("HUMMING_COMPILER", "nvcc")
    os.environ.setdefault("HUMMING_DISABLE_PARALLEL_BUILD", "1")  # no process that builds the launcher beside this one
    os.environ.setdefault("HUMMING_CACHE_DIR", str(Path(folder, "compiled")))
    os.environ.setdefault("HUMMING_TMP_DIR", str(Path(folder, "temporary")))
    for name in ("HUMMING_CACHE_DIR", "HUMMING_TMP_DIR"):
        Path(os.environ[name]).mkdir(parents=True, exist_ok=True)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


class Matrix:
    """One expert matrix [E, n, k] in Humming's layout; `compile` gives a launch for rows of this many pairs."""

    def __init__(self, operand, alpha):
        from humming.schema import BaseWeightSchema
        from humming.transform import prepare_and_transform_humming_tensors

        schema = BaseWeightSchema.from_config({"quant_method": "modelopt", "quant_algo": "nvfp4"}).to_humming_schema(torch.bfloat16)
        experts = operand.packed.shape[0]
        tensors = {
            "weight": operand.packed.view(torch.int32),
            "weight_scale": operand.scales,
            "weight_scale_2": torch.full((experts,), alpha, dtype=torch.float32, device="cuda"),
        }
        self.config, self.tensors = prepare_and_transform_humming_tensors(
            tensors, operand.n, operand.k, schema, num_experts=experts, torch_dtype=torch.bfloat16)
        self.n = operand.n
        self.locks = torch.zeros(2048, dtype=torch.int32, device="cuda")
        self.kernels = {}

    def compile(self, wanted):
        """wanted: (pairs, "indexed" | "grouped_contiguous") of each use. All kernels of a kind are compiled at once."""
        from humming.kernel.humming import HummingKernel
        from humming.tune import get_heuristics_config

        for kind in sorted({kind for _, kind in wanted}):
            counts = sorted({pairs for pairs, one in wanted if one == kind})
            tunings = [get_heuristics_config(self.config, shape_m=pairs, gemm_type=kind) for pairs in counts]
            found = HummingKernel.prepare_kernels(self.config.to_str(), {"gemm_type": kind}, [(0, 1 << 30, tuning) for tuning in tunings])
            for pairs, tuning, launch in zip(counts, tunings, found.reshape(-1, 4)):
                self.kernels[pairs, kind] = (tuning, launch.contiguous())

    def tile(self, pairs, kind):
        return list(self.kernels[pairs, kind][0]["block_shape"])

    def __call__(self, pairs, kind, inputs, outputs, top_k, rows):
        from humming import ops

        where = {"expert_layout": rows.starts}
        if kind == "indexed":
            where = {"sorted_ids": rows.rows, "expert_ids": rows.block_expert, "num_tokens_padded": rows.starts[-1:]}
        ops.launch_kernel(configs=self.kernels[pairs, kind][1], inputs=inputs, outputs=outputs, locks=self.locks, top_k=top_k, **where, **self.tensors)
        return outputs


class Humming:
    """The layer's two matrices, and the calls to choose from for a token count."""

    name = "humming W4A16 NVFP4"
    kinds = ("indexed", "grouped_contiguous")

    def __init__(self, layer, tokens):
        import humming

        self.name = f"humming {humming.__version__} W4A16 NVFP4"
        self.shape = layer.shape
        self.w13, self.w2 = Matrix(layer.w13, layer.alpha1), Matrix(layer.w2, layer.alpha2)
        wanted = [(count * layer.shape.top_k, kind) for count in tokens for kind in self.kinds]
        self.w13.compile(wanted)
        self.w2.compile(wanted)

    def candidates(self, tokens):
        return [HummingLayer(self, tokens, kind) for kind in self.kinds]


class HummingLayer:
    """Indexed: rows are read through the sort and written in pair order. Grouped: rows are gathered first."""

    def __init__(self, humming, tokens, kind):
        self.humming, self.kind = humming, kind
        self.pairs = tokens * humming.shape.top_k
        tiles = [matrix.tile(self.pairs, kind) for matrix in (humming.w13, humming.w2)]
        self.config = {"kind": kind, "fc1_tile": tiles[0], "fc2_tile": tiles[1]}
        paddings = [tile[0] for tile in tiles] if kind == "indexed" else [1, 1]
        self.sorts = {bm: SortedRows(self.pairs, humming.shape.experts, bm) for bm in paddings}
        self.rows = [self.sorts[bm] for bm in paddings]

    def __call__(self, x, ids, router):
        shape, pairs, kind = self.humming.shape, self.pairs, self.kind
        grouped = kind != "indexed"
        empty = lambda width: torch.empty(pairs, width, dtype=torch.bfloat16, device="cuda")
        for sort in self.sorts.values():
            sort(ids)
        if grouped:
            gathered = empty(shape.hidden)
            gather[(pairs, triton.cdiv(shape.hidden, BLOCK))](x, self.rows[0].rows, gathered, shape.top_k, shape.hidden, BLOCK)
            x = gathered
        fc1 = self.humming.w13(pairs, kind, x, empty(self.humming.w13.n), 1 if grouped else shape.top_k, self.rows[0])
        act = empty(shape.intermediate)
        activate[(pairs, triton.cdiv(shape.intermediate, BLOCK))](fc1, act, shape.intermediate, shape.gated, BLOCK)
        fc2 = self.humming.w2(pairs, kind, act, empty(shape.hidden), 1, self.rows[1])
        y = torch.empty(router.shape[0], shape.hidden, dtype=torch.bfloat16, device="cuda")
        finalize[(router.shape[0], triton.cdiv(shape.hidden, BLOCK))](fc2, self.rows[0].row_of_pair, router, y, shape.top_k, shape.hidden, grouped, BLOCK)
        return y
