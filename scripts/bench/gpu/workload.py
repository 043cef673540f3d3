"""Shapes, routing and the way everything here is timed: CUDA graph replay, cold L2, events around each replay."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Shape:
    name: str
    hidden: int
    intermediate: int
    experts: int
    top_k: int
    gated: bool

    @property
    def matrices(self):
        return 3 if self.gated else 2

    @property
    def expert_bytes(self):
        """FP4 weights and one E4M3 scale a 16: 0.5625 bytes a weight."""
        return self.matrices * self.hidden * self.intermediate * 9 // 16

    def flops(self, tokens):
        return 2 * self.matrices * self.hidden * self.intermediate * self.top_k * tokens


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("qwen3-30b-a3b", 2048, 768, 128, 8, True),
        Shape("nemotron-3-super", 1024, 2688, 512, 22, False),
        Shape("deepseek-like", 7168, 2048, 256, 8, True),
    )
}

FLUSH_BYTES = 256 << 20  # several times the L2 of an H200 (50 MB)


def route(shape, tokens, seed):
    """Uniform routing, top_k different experts a token: int32 [tokens, top_k] on the device."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.rand(tokens, shape.experts, generator=generator).argsort(dim=1)[:, : shape.top_k]
    return ids.to(torch.int32).contiguous().cuda()


class Timer:
    """Times a callable as a CUDA graph with L2 flushed before each replay."""

    def __init__(self):
        self.flush = torch.empty(FLUSH_BYTES, dtype=torch.uint8, device="cuda")

    def capture(self, call):
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for _ in range(3):
                call()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            result = call()
        return graph, result

    def replay(self, graph, runs):
        """Microseconds of each replay."""
        events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(runs)]
        for start, end in events:
            self.flush.zero_()
            start.record()
            graph.replay()
            end.record()
        torch.cuda.synchronize()
        return [start.elapsed_time(end) * 1000 for start, end in events]


def summary(times):
    ordered = sorted(times)
    pick = lambda share: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)
    return {"median": pick(0.5), "p10": pick(0.1), "p90": pick(0.9), "runs": len(ordered)}


def nrmse(a, b):
    """||a - b|| / ||b||"""
    a, b = a.double(), b.double()
    return float((a - b).norm() / b.norm())


def same_every_time(graph, result, runs=20):
    graph.replay()
    first = result.clone()
    for _ in range(runs - 1):
        graph.replay()
        if not torch.equal(first, result):
            return False
    return True
