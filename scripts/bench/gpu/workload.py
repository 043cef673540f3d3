"""The way everything here is timed: CUDA graph replay, cold L2, events around each replay."""

import torch

FLUSH_BYTES = 256 << 20  # several times the L2 of an H200 (50 MB)


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
