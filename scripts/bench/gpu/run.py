"""Measures one MoE layer on this machine's GPU: ours, its peers, and a kernel that only reads the bytes; prints JSON.

usage: run.py --program PATH --out FILE.json [--families b12x-upcast,cutlass-sm90] [--tokens 1,8,...] [--shapes NAME,...]
              [--runs N] [--peers torch,triton,humming,streamer] [--humming FOLDER]

PATH is moescope_cuda_bench (native/cuda/CMakeLists.txt). Everything runs on the routing that it writes, as CUDA graph replay
with L2 flushed before each replay; --peers "" measures ours alone. Needs torch; the W4A16 peers and the streamer need triton.
FOLDER holds Humming (scripts/bench/humming.mjs fetches it); without it that peer is left out.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import torch

from machine import machine, nvidia_smi
from shapes import SHAPES
from streamer import Streamer
from torch_grouped import TorchGrouped
from triton_w4a16 import candidates
from weights import Layer
from workload import Timer, nrmse, same_every_time, summary

TUNING_RUNS = 9
OURS_LIMIT_S = 45
# Three times what right peers show against torch: 0.0057 .. 0.0067 on an H100, from bf16 roundings in other places.
PEER_NRMSE = 0.02


def facts():
    return {**machine(), "torch": torch.__version__, "cuda": torch.version.cuda}


def run_ours(program, family, shape, tokens, runs, routing):
    """One dict a token count; where a family refuses or fails, the rest says why."""
    command = [program, "--family", family, "--shape", shape.argument, "--tokens", ",".join(map(str, tokens)),
               "--reps", str(runs), "--routing", routing]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=OURS_LIMIT_S)
        out, why = done.stdout, done.stderr.strip()[-500:] or f"exit status {done.returncode}"
    except subprocess.TimeoutExpired as late:
        out, why = (late.stdout or b"").decode(), f"longer than {OURS_LIMIT_S} s"
    rows = {row["tokens"]: row for row in (json.loads(line) for line in out.splitlines() if line.startswith("{"))}
    return [rows.get(count, {"family": family, "tokens": count, "failed": why}) for count in tokens]


def fastest(timer, calls):
    """The callable whose captured graph has the lowest median over a few replays."""
    best = None
    for call in calls:
        graph, result = timer.capture(call)
        median = summary(timer.replay(graph, TUNING_RUNS))["median"]
        if best is None or median < best[0]:
            best = (median, graph, result, call)
    return best[1:]


def run_w4a16(name, calls, run):
    """One peer's row, by the fastest of its calls; a peer that fails says why."""
    timer, runs, batch, expected = run
    try:
        graph, y, call = fastest(timer, [lambda peer=peer: peer(*batch) for peer in calls])
        graph.replay()
        torch.cuda.synchronize()
        error = nrmse(y, expected)
        if not error <= PEER_NRMSE:
            return {"peer": name, "failed": f"its result differs from torch's: NRMSE {error:.4f}, limit {PEER_NRMSE}"}
        return {"peer": name, "us": summary(timer.replay(graph, runs)), "config": call.__defaults__[0].config,
                "nrmse_to_torch": error, "deterministic": same_every_time(graph, y)}
    except Exception as error:  # a peer's own checks raise anything; the other rows are still wanted
        return {"peer": name, "failed": f"{type(error).__name__}: {error}"[-500:]}


def humming_for(folder, layer, tokens):
    """The peer for these token counts, or the row that says why it is absent."""
    from humming_w4a16 import Humming, prepare

    try:
        prepare(folder)
        return Humming(layer, tokens)
    except Exception as error:  # its JIT compiler and its checks raise anything
        return {"peer": Humming.name, "failed": f"{type(error).__name__}: {error}"[-500:]}


class Peers:
    """The wanted peers of one layer; `row` measures them all on one routing."""

    def __init__(self, shape, wanted, tokens, runs, timer, humming):
        self.shape, self.runs, self.timer = shape, runs, timer
        self.layer = Layer(shape)
        self.grouped = TorchGrouped(self.layer)  # every W4A16 result is compared with it
        self.triton = "triton" in wanted
        self.humming = humming_for(humming, self.layer, tokens) if humming and "humming" in wanted else None
        self.streamer = Streamer(shape.experts * shape.expert_bytes) if "streamer" in wanted else None

    def row(self, tokens, routing):
        shape, runs, timer = self.shape, self.runs, self.timer
        flat = numpy.fromfile(Path(routing) / f"{tokens}.i32", dtype=numpy.int32)
        ids = torch.from_numpy(flat).view(tokens, shape.top_k).cuda()
        used_bytes = int(ids.unique().numel()) * shape.expert_bytes
        x = torch.randn(tokens, shape.hidden, device="cuda", dtype=torch.bfloat16)
        router = torch.rand(tokens, shape.top_k, device="cuda")
        router /= router.sum(1, keepdim=True)

        graph, y = timer.capture(lambda: self.grouped(x, ids, router))
        rows = [{"peer": self.grouped.name, "us": summary(timer.replay(graph, runs)), "deterministic": same_every_time(graph, y)}]
        run = (timer, runs, (x, ids, router), y.clone())
        if self.triton:
            rows.append(run_w4a16("triton W4A16 NVFP4", candidates(self.layer, tokens), run))
        if isinstance(self.humming, dict):
            rows.append(self.humming)
        elif self.humming is not None:
            rows.append(run_w4a16(self.humming.name, self.humming.candidates(tokens), run))
        if self.streamer is not None:
            graph, _, _ = fastest(timer, self.streamer.candidates(used_bytes))
            rows.append({"peer": "streamer", "us": summary(timer.replay(graph, runs)), "bytes": used_bytes})
        return {"tokens": tokens, "unique_experts": used_bytes // shape.expert_bytes, "bytes": used_bytes, "flops": shape.flops(tokens), "peers": rows}


def peer_row(peers, count, routing):
    try:
        return peers.row(count, routing)
    except (RuntimeError, torch.OutOfMemoryError, FileNotFoundError) as error:
        return {"tokens": count, "failed": str(error)[-500:]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--families", default="b12x-upcast,cutlass-sm90")
    parser.add_argument("--tokens", default="1,8,64,512,4096,8192")
    parser.add_argument("--shapes", default="qwen3-30b-a3b")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--peers", default="torch,triton,humming,streamer")
    parser.add_argument("--humming", metavar="FOLDER")
    options = parser.parse_args()
    tokens = [int(count) for count in options.tokens.split(",")]
    wanted = [name for name in options.peers.split(",") if name]
    result = {"kind": "gpu", "machine": facts(), "shapes": []}
    timer = Timer()

    def save():
        """After each step, so that one that hangs does not take the others' figures with it."""
        result["clocks_after"] = nvidia_smi(["clocks.sm", "clocks.mem", "temperature.gpu", "power.draw"])
        Path(options.out).write_text(json.dumps(result, indent=1) + "\n")

    for name in options.shapes.split(","):
        shape = SHAPES[name]
        entry = {"shape": name, "ours": [], "peers": []}
        result["shapes"].append(entry)
        with tempfile.TemporaryDirectory() as routing:
            for family in options.families.split(","):
                entry["ours"] += run_ours(options.program, family, shape, tokens, options.runs, routing)
                save()
            peers = Peers(shape, wanted, tokens, options.runs, timer, options.humming) if wanted else None
            for count in tokens if peers else []:
                entry["peers"].append(peer_row(peers, count, routing))
                save()
            del peers
            torch.cuda.empty_cache()
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
