"""The yardstick: a kernel that does nothing but read as many bytes as the weights of the experts in use."""

import torch
import triton
import triton.language as tl


@triton.jit
def read(data, out, words, BLOCK: tl.constexpr, STEPS: tl.constexpr):
    start = tl.program_id(0).to(tl.int64) * BLOCK * STEPS
    total = tl.zeros((BLOCK,), tl.int32)
    for step in tl.static_range(STEPS):
        at = start + step * BLOCK + tl.arange(0, BLOCK)
        total += tl.load(data + at, mask=at < words, other=0)
    # Never true for random data: keeps the loads.
    tl.store(out + tl.program_id(0), tl.sum(total), mask=tl.sum(total) == 0x5A17)


class Streamer:
    def __init__(self, most_bytes):
        self.data = torch.randint(1, 1 << 30, (most_bytes // 4 + 1024,), dtype=torch.int32, device="cuda")
        self.out = torch.zeros(1 << 22, dtype=torch.int32, device="cuda")

    def candidates(self, used_bytes):
        words = used_bytes // 4
        for block, steps, warps in ((1024, 4, 4), (2048, 8, 4), (4096, 4, 8)):
            def call(block=block, steps=steps, warps=warps):
                read[(triton.cdiv(words, block * steps),)](self.data, self.out, words, block, steps, num_warps=warps)
                return self.out
            yield call
