"""What the figures were measured on."""

import subprocess
import sys

FACTS = ("name", "driver_version", "clocks.max.sm", "clocks.max.mem", "power.limit", "memory.total")


def nvidia_smi(fields):
    """{field: text} of the first GPU."""
    out = subprocess.run(["nvidia-smi", "--id=0", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"], capture_output=True, text=True, check=True)
    return dict(zip(fields, (value.strip() for value in out.stdout.strip().splitlines()[0].split(","))))


def machine():
    return {**nvidia_smi(FACTS), "python": sys.version.split()[0]}
