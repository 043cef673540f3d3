"""Profiles each kernel of one MoE layer with ncu and says what limits it; prints JSON for docs/performance.json.

usage: profile_kernels.py --program PATH --out FILE.json CASE...     CASE = SHAPE:FAMILY:TOKENS, e.g. qwen3-30b-a3b:b12x-upcast:64
                  [--ncu PATH] [--limit SECONDS] [--raw FOLDER]

PATH is moescope_cuda_bench (native/cuda/CMakeLists.txt): its --profile 1 replays the captured graph once between
cudaProfilerStart and cudaProfilerStop. ncu empties the caches before each kernel and leaves the clocks alone; it runs every
kernel alone, so what kernels of one graph overlap does not show. Needs the right to read hardware counters.
"""

import argparse
import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

SECTIONS = ("SpeedOfLight", "ComputeWorkloadAnalysis", "MemoryWorkloadAnalysis", "SchedulerStats", "WarpStateStats", "Occupancy", "LaunchStats")
# ncu's raw page gives base units when asked (--print-units base): ns, bytes, bytes/s.
TENSOR = re.compile(r"^sm__(inst_executed_)?pipe_tensor.*\.avg\.pct_of_peak_sustained_active$")
STALL = re.compile(r"^smsp__average_warps_issue_stalled_(\w+?)_per_issue_active\.ratio$")
STALLS_SHOWN = 3


def number(row, name):
    """A metric, or None when this version of ncu does not report it."""
    try:
        return float(row.get(name, "").replace(",", ""))
    except ValueError:
        return None


def stalls(row):
    """[[reason, share of the warps' waiting cycles between two issues]], largest first; "selected" is work, not a wait."""
    waits = {}
    for name in row:
        match = STALL.match(name)
        if match and not match[1].endswith("_not_issued") and match[1] != "selected":
            waits[match[1]] = number(row, name) or 0.0
    whole = sum(waits.values())
    ordered = sorted(waits.items(), key=lambda item: -item[1])[:STALLS_SHOWN]
    return [[reason, round(value / whole, 3)] for reason, value in ordered] if whole > 0 else []


def short(name):
    """A kernel's name without its return type, namespaces, template and call arguments."""
    name = re.sub(r"\(anonymous namespace\)|<unnamed>", "", name).split("(")[0]
    while re.search(r"<[^<>]*>", name):
        name = re.sub(r"<[^<>]*>", "", name)
    words = name.split()
    return words[-1].split("::")[-1] if words else "?"


def rounded(value, digits):
    return None if value is None else round(value, digits or None)


def kernel(row):
    """What docs/performance.md shows of one launch. Shares are per cent."""
    ns = number(row, "gpu__time_duration.sum")
    dram = number(row, "dram__bytes.sum.per_second")
    tensor = [number(row, name) for name in row if TENSOR.match(name)]
    shared = [number(row, f"launch__shared_mem_per_block_{kind}") or 0 for kind in ("static", "dynamic")]
    return {
        "kernel": short(row.get("Kernel Name", "?")),
        "us": rounded(ns and ns / 1e3, 2),
        "dram_gb_per_s": rounded(dram and dram / 1e9, 0),
        "dram_pct": rounded(number(row, "gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed"), 1),
        "l2_pct": rounded(number(row, "lts__throughput.avg.pct_of_peak_sustained_elapsed"), 1),
        "tensor_pct": rounded(max((value for value in tensor if value is not None), default=None), 1),
        "issue_pct": rounded(number(row, "smsp__issue_active.avg.pct_of_peak_sustained_active"), 1),
        "occupancy_pct": rounded(number(row, "sm__warps_active.avg.pct_of_peak_sustained_active"), 1),
        "registers": rounded(number(row, "launch__registers_per_thread"), 0),
        "shared_kib": rounded(sum(shared) / 1024, 1),
        "grid": rounded(number(row, "launch__grid_size"), 0),
        "threads": rounded(number(row, "launch__block_size"), 0),
        "waves": rounded(number(row, "launch__waves_per_multiprocessor"), 2),
        "stalls": stalls(row),
    }


def kernels_of(text):
    """ncu's --csv --page raw: a header, a line of units, one line a launch; the program's own output stands before it."""
    lines = text.splitlines()
    start = next((at for at, line in enumerate(lines) if line.startswith('"ID"')), None)
    if start is None:
        return []
    rows = list(csv.DictReader(io.StringIO("\n".join(lines[start:]))))
    return [kernel(row) for row in rows if row.get("ID", "").strip().isdigit()]


def command_of(ncu, program, shape, family, tokens):
    sections = [word for name in SECTIONS for word in ("--section", name)]
    return [ncu, "--csv", "--page", "raw", "--print-units", "base", "--clock-control", "none", "--profile-from-start", "off", *sections,
            program, "--family", family, "--shape", shape.argument, "--tokens", tokens, "--profile", "1", "--check", "0"]


def profile(case, options, shapes):
    name, family, tokens = case.split(":")
    entry = {"shape": name, "family": family, "tokens": int(tokens)}
    try:
        done = subprocess.run(command_of(options.ncu, options.program, shapes[name], family, tokens), capture_output=True, text=True, timeout=options.limit)
    except subprocess.TimeoutExpired:
        return {**entry, "failed": f"longer than {options.limit} s"}
    found = kernels_of(done.stdout)
    if done.returncode != 0 or not found:
        return {**entry, "failed": (done.stderr + done.stdout).strip()[-600:]}
    if options.raw:
        Path(options.raw, case.replace(":", "-") + ".csv").write_text(done.stdout)
    return {**entry, "kernels": found}


def main():
    from machine import machine
    from shapes import SHAPES

    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--ncu", default="ncu")
    parser.add_argument("--limit", type=float, default=60)
    parser.add_argument("--raw", help="folder for ncu's own CSV")
    parser.add_argument("cases", nargs="+", metavar="SHAPE:FAMILY:TOKENS")
    options = parser.parse_args()
    result = {"kind": "gpu", "machine": machine(), "profiles": []}
    for case in options.cases:
        result["profiles"].append(profile(case, options, SHAPES))
        Path(options.out).write_text(json.dumps(result, indent=1) + "\n")
        print(case, result["profiles"][-1].get("failed", "profiled"), file=sys.stderr, flush=True)
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
