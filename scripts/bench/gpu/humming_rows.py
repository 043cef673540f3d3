"""What Humming leaves to its caller: rows sorted by expert, the activation and the sum over slots, as Triton kernels."""

import torch
import triton
import triton.language as tl

SMALL_PAIRS = 1024


@triton.jit
def offsets(counts, cursor, starts, block_expert, rows, e, PAIRS, EXPERTS, BM: tl.constexpr):
    """From pairs an expert: where its rows start when each expert is padded to BM, and the expert of each block of BM rows."""
    blocks = (counts + BM - 1) // BM
    first = tl.cumsum(blocks * BM) - blocks * BM
    tl.store(cursor + e, first)
    tl.store(starts + e, first, mask=e < EXPERTS)
    tl.store(starts + EXPERTS, tl.sum(blocks * BM))
    if BM > 1:
        for block in range(0, tl.max(blocks)):
            tl.store(block_expert + first // BM + block, e, mask=block < blocks)
        for gap in range(0, BM):  # the rows after an expert's last
            tl.store(rows + first + counts + gap, PAIRS + tl.zeros_like(e), mask=counts + gap < blocks * BM)


@triton.jit
def sort_small(ids, cursor, starts, block_expert, rows, row_of_pair, PAIRS, EXPERTS, BM: tl.constexpr, E2: tl.constexpr, BLOCK: tl.constexpr):
    pair = tl.arange(0, BLOCK)
    expert = tl.load(ids + pair, mask=pair < PAIRS, other=0)
    e = tl.arange(0, E2)
    counts = tl.histogram(expert, E2) - tl.where(e == 0, BLOCK - PAIRS, 0)
    offsets(counts, cursor, starts, block_expert, rows, e, PAIRS, EXPERTS, BM)
    tl.debug_barrier()
    row = tl.atomic_add(cursor + expert, 1, mask=pair < PAIRS)
    tl.store(rows + row, pair, mask=pair < PAIRS)
    tl.store(row_of_pair + pair, row, mask=pair < PAIRS)


@triton.jit
def count_pairs(ids, counts, PAIRS, BLOCK: tl.constexpr):
    pair = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.atomic_add(counts + tl.load(ids + pair, mask=pair < PAIRS, other=0), 1, mask=pair < PAIRS)


@triton.jit
def place_experts(counts, cursor, starts, block_expert, rows, PAIRS, EXPERTS, BM: tl.constexpr, E2: tl.constexpr):
    e = tl.arange(0, E2)
    found = tl.load(counts + e)
    tl.store(counts + e, tl.zeros_like(found))  # for the next run
    offsets(found, cursor, starts, block_expert, rows, e, PAIRS, EXPERTS, BM)


@triton.jit
def place_pairs(ids, cursor, rows, row_of_pair, PAIRS, BLOCK: tl.constexpr):
    pair = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row = tl.atomic_add(cursor + tl.load(ids + pair, mask=pair < PAIRS, other=0), 1, mask=pair < PAIRS)
    tl.store(rows + row, pair, mask=pair < PAIRS)
    tl.store(row_of_pair + pair, row, mask=pair < PAIRS)


@triton.jit
def gather(x, rows, out, TOP_K: tl.constexpr, H: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    token = (tl.load(rows + row) // TOP_K).to(tl.int64)
    tl.store(out + row * H + column, tl.load(x + token * H + column, mask=column < H), mask=column < H)


@triton.jit
def activate(fc1, act, I: tl.constexpr, GATED: tl.constexpr, BLOCK: tl.constexpr):
    """[up, gate] or [up] of a row to silu(gate) * up or relu(up)^2."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    up_at = fc1 + row * (2 * I if GATED else I) + column
    up = tl.load(up_at, mask=column < I).to(tl.float32)
    if GATED:
        gate = tl.load(up_at + I, mask=column < I).to(tl.float32)
        value = gate * tl.sigmoid(gate) * up
    else:
        value = tl.maximum(up, 0.0)
        value = value * value
    tl.store(act + row * I + column, value.to(tl.bfloat16), mask=column < I)


@triton.jit
def finalize(fc2, row_of_pair, router, y, TOP_K: tl.constexpr, H: tl.constexpr, SORTED: tl.constexpr, BLOCK: tl.constexpr):
    token = tl.program_id(0)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    sums = tl.zeros((BLOCK,), tl.float32)
    for slot in range(TOP_K):
        pair = token * TOP_K + slot
        row = tl.load(row_of_pair + pair) if SORTED else pair
        value = tl.load(fc2 + row.to(tl.int64) * H + column, mask=column < H, other=0.0).to(tl.float32)
        sums += value * tl.load(router + pair)
    tl.store(y + token.to(tl.int64) * H + column, sums.to(tl.bfloat16), mask=column < H)


class SortedRows:
    """Buffers and launches of the sort. `rows`: pair of each row, PAIRS where a block is padded; `starts` [experts + 1]: first
    row of each expert, the number of rows at its end; `block_expert`: expert of each block of `bm` rows."""

    def __init__(self, pairs, experts, bm):
        self.pairs, self.experts, self.bm = pairs, experts, bm
        self.e2 = triton.next_power_of_2(experts)
        most = pairs + min(experts, pairs) * (bm - 1)
        whole = lambda count: torch.zeros(count, dtype=torch.int32, device="cuda")
        self.counts, self.cursor, self.starts = whole(self.e2), whole(self.e2), whole(experts + 1)
        self.rows, self.block_expert, self.row_of_pair = whole(most), whole(-(-most // bm)), whole(pairs)

    def __call__(self, ids):
        where = (self.cursor, self.starts, self.block_expert, self.rows)
        if self.pairs <= SMALL_PAIRS:
            block = max(32, triton.next_power_of_2(self.pairs))
            sort_small[(1,)](ids, *where, self.row_of_pair, self.pairs, self.experts, self.bm, self.e2, block, num_warps=4)
            return
        grid = (triton.cdiv(self.pairs, SMALL_PAIRS),)
        count_pairs[grid](ids, self.counts, self.pairs, SMALL_PAIRS)
        place_experts[(1,)](self.counts, *where, self.pairs, self.experts, self.bm, self.e2)
        place_pairs[grid](ids, self.cursor, self.rows, self.row_of_pair, self.pairs, SMALL_PAIRS)
