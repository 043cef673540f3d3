"""Measures one MoE layer on this machine's GPU: ours, its peers, and a kernel that only reads the bytes; prints JSON.

usage: run.py --program PATH --out FILE.json [--families b12x-upcast,cutlass-sm90] [--tokens 1,8,...] [--shapes NAME,...]
              [--runs N] [--skip-peers]

PATH is moescope_cuda_bench (native/cuda/CMakeLists.txt). Everything runs on the routing that it writes, as CUDA graph replay
with L2 flushed before each replay. Needs torch; the W4A16 peer and the streamer need triton.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import torch

from streamer import Streamer
from torch_grouped import TorchGrouped
from triton_w4a16 import candidates
from weights import Layer
from workload import SHAPES, Timer, nrmse, same_every_time, summary

TUNING_RUNS = 9


def nvidia_smi(fields):
    out = subprocess.run(["nvidia-smi", "--id=0", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"], capture_output=True, text=True, check=True)
    return dict(zip(fields, (value.strip() for value in out.stdout.strip().splitlines()[0].split(","))))


def machine():
    facts = nvidia_smi(["name", "driver_version", "clocks.max.sm", "clocks.max.mem", "power.limit", "memory.total"])
    return {**facts, "torch": torch.__version__, "cuda": torch.version.cuda, "python": sys.version.split()[0]}


def run_ours(program, family, shape, tokens, runs, routing):
    """One dict a token count; a family that refuses or fails says why."""
    activation = 0 if shape.gated else 3
    rows = []
    for count in tokens:
        command = [program, "--family", family, "--shape", f"{shape.hidden},{shape.intermediate},{shape.experts},{shape.top_k},{activation}",
                   "--tokens", str(count), "--reps", str(runs), "--routing", routing]
        done = subprocess.run(command, capture_output=True, text=True)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        failed = {"family": family, "tokens": count, "failed": done.stderr.strip()[-500:]}
        rows.append(json.loads(lines[-1]) if done.returncode == 0 and lines else failed)
    return rows


def fastest(timer, calls):
    """The callable whose captured graph has the lowest median over a few replays."""
    best = None
    for call in calls:
        graph, result = timer.capture(call)
        median = summary(timer.replay(graph, TUNING_RUNS))["median"]
        if best is None or median < best[0]:
            best = (median, graph, result, call)
    return best[1:]


def run_peers(shape, layer, tokens, runs, routing, timer, grouped, streamer):
    flat = numpy.fromfile(Path(routing) / f"{tokens}.i32", dtype=numpy.int32)
    ids = torch.from_numpy(flat).view(tokens, shape.top_k).cuda()
    unique = int(ids.unique().numel())
    x = torch.randn(tokens, shape.hidden, device="cuda", dtype=torch.bfloat16)
    router = torch.rand(tokens, shape.top_k, device="cuda")
    router /= router.sum(1, keepdim=True)

    graph, y = timer.capture(lambda: grouped(x, ids, router))
    rows = [{"peer": grouped.name, "us": summary(timer.replay(graph, runs)), "deterministic": same_every_time(graph, y)}]
    expected = y.clone()

    graph, y, call = fastest(timer, [lambda peer=peer: peer(x, ids, router) for peer in candidates(layer, tokens)])
    graph.replay()
    torch.cuda.synchronize()
    config = call.__defaults__[0].config
    rows.append({"peer": "triton W4A16 NVFP4", "us": summary(timer.replay(graph, runs)), "config": config,
                 "nrmse_to_torch": nrmse(y, expected), "deterministic": same_every_time(graph, y)})

    graph, _, _ = fastest(timer, streamer.candidates(unique * shape.expert_bytes))
    rows.append({"peer": "streamer", "us": summary(timer.replay(graph, runs)), "bytes": unique * shape.expert_bytes})
    return {"tokens": tokens, "unique_experts": unique, "bytes": unique * shape.expert_bytes, "flops": shape.flops(tokens), "peers": rows}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--families", default="b12x-upcast,cutlass-sm90")
    parser.add_argument("--tokens", default="1,8,64,512,4096,8192")
    parser.add_argument("--shapes", default="qwen3-30b-a3b")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--skip-peers", action="store_true")
    options = parser.parse_args()
    tokens = [int(count) for count in options.tokens.split(",")]
    result = {"kind": "gpu", "machine": machine(), "shapes": []}
    timer = Timer()
    for name in options.shapes.split(","):
        shape = SHAPES[name]
        entry = {"shape": name, "ours": [], "peers": []}
        result["shapes"].append(entry)
        with tempfile.TemporaryDirectory() as routing:
            for family in options.families.split(","):
                entry["ours"] += run_ours(options.program, family, shape, tokens, options.runs, routing)
            if not options.skip_peers:
                layer = Layer(shape)
                grouped, streamer = TorchGrouped(layer), Streamer(shape.experts * shape.expert_bytes)
                for count in tokens:
                    try:
                        entry["peers"].append(run_peers(shape, layer, count, options.runs, routing, timer, grouped, streamer))
                    except (RuntimeError, torch.OutOfMemoryError, FileNotFoundError) as error:
                        entry["peers"].append({"tokens": count, "failed": str(error)[-500:]})
                del layer, grouped, streamer
                torch.cuda.empty_cache()
        result["clocks_after"] = nvidia_smi(["clocks.sm", "clocks.mem", "temperature.gpu", "power.draw"])
        Path(options.out).write_text(json.dumps(result, indent=1) + "\n")
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
