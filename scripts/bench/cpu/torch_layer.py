"""Peer of the CPU comparison: torch over the same layer's weights dequantised beforehand, F.linear for each expert in use.

usage: torch_layer.py --kind bf16|fp32 [--tokens T] [--runs N] [--warmup N] [--threads N] [--hidden H] [--intermediate I]
                      [--experts E] [--top-k K]

Routing, cold caches and the line that is printed are those of native/bench/workload.h. Needs torch and no GPU.
"""

import argparse
import json
import time

import torch
import torch.nn.functional as F

MASK = (1 << 64) - 1
E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
COLD_BYTES = 192 << 20


class Random:
    """splitmix64, as native/bench/workload.h has it."""

    def __init__(self, seed):
        self.state = seed & MASK

    def below(self, limit):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        return (z >> 32) * limit >> 32


def route(options, seed):
    """top_k different experts a token: [tokens][top_k]."""
    random, ids = Random(seed), []
    order = list(range(options.experts))
    for _ in range(options.tokens):
        order[:] = range(options.experts)
        for slot in range(options.top_k):
            other = slot + random.below(options.experts - slot)
            order[slot], order[other] = order[other], order[slot]
        ids.append(order[: options.top_k])
    return ids


def weights(experts, n, k, dtype, generator):
    """[experts, n, k], each value an E2M1 code times an E4M3 block scale, which bf16 holds exactly."""
    values = torch.tensor(E2M1 + tuple(-value for value in E2M1), dtype=torch.bfloat16)
    pairs = torch.cartesian_prod(values, values).view(torch.int32).flatten()  # both values of a byte of codes
    out = torch.empty(experts, n, k, dtype=dtype)
    for e in range(experts):
        codes = torch.randint(-(1 << 62), 1 << 62, (n * k // 16,), generator=generator).view(torch.uint8)
        scales = torch.randint(0x28, 0x48, (n, k // 16, 1), dtype=torch.uint8, generator=generator).view(torch.float8_e4m3fn)
        blocks = pairs[codes.int()].view(torch.bfloat16).view(n, k // 16, 16)
        out[e] = (blocks * scales.to(torch.bfloat16)).view(n, k)
    return out


class Layer:
    def __init__(self, options, dtype):
        generator = torch.Generator().manual_seed(7)
        self.w13 = weights(options.experts, 2 * options.intermediate, options.hidden, dtype, generator)  # rows [up, gate]
        self.w2 = weights(options.experts, options.hidden, options.intermediate, dtype, generator)
        # Values have a root mean square near 5: sums of K products are brought back to 1.
        self.alphas = (0.2 / options.hidden**0.5, 0.2 / options.intermediate**0.5)
        self.x = torch.randn(options.tokens, options.hidden, generator=generator).to(dtype)

    def __call__(self, ids):
        """Equal router weights: y [tokens, hidden]."""
        tokens_of = {}
        for token, experts in enumerate(ids):
            for e in experts:
                tokens_of.setdefault(e, []).append(token)
        y = torch.zeros_like(self.x, dtype=torch.float32)
        for e, tokens in tokens_of.items():
            at = torch.tensor(tokens)
            up, gate = (F.linear(self.x[at], self.w13[e]) * self.alphas[0]).chunk(2, dim=-1)
            out = F.linear(F.silu(gate) * up, self.w2[e])
            y.index_add_(0, at, out.float(), alpha=self.alphas[1] / len(ids[0]))
        return y


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=("bf16", "fp32"), required=True)
    for name, default in (("hidden", 2048), ("intermediate", 768), ("experts", 128), ("top-k", 8), ("tokens", 1), ("runs", 10), ("warmup", 2), ("threads", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def main():
    options = parse()
    if options.threads > 0:
        torch.set_num_threads(options.threads)
    layer = Layer(options, {"bf16": torch.bfloat16, "fp32": torch.float32}[options.kind])
    cold = torch.ones(COLD_BYTES // 8, dtype=torch.int64)
    times, processor, unique = [], [], []
    with torch.inference_mode():
        for run in range(-options.warmup, options.runs):
            ids = route(options, 1000 + run)
            cold.sum()
            used, start = time.process_time(), time.perf_counter()
            y = layer(ids)
            us = (time.perf_counter() - start) * 1e6
            if run < 0:
                continue
            times.append(us)
            processor.append((time.process_time() - used) * 1e6)
            unique.append(len({e for experts in ids for e in experts}))
    if not bool(torch.isfinite(y).all()):
        raise SystemExit("torch's output is not finite")
    print(json.dumps({"name": "torch", "kind": options.kind, "tokens": options.tokens, "threads": torch.get_num_threads(), "torch": torch.__version__,
                      "us": times, "processor_us": processor, "unique_experts": unique}))


if __name__ == "__main__":
    main()
