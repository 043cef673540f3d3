"""Peer: NVFP4 weights decoded inside Triton kernels, bf16 activations (W4A16), written for this comparison."""

import torch
import triton
import triton.language as tl


@triton.jit
def decode(codes, scale, N: tl.constexpr, K: tl.constexpr):
    """Codes [N, K/2] and scales [N, K/16] to bf16 [N, K] times 2^-8: the code's bits are placed at bf16's exponent, and one
    multiplication by scale * 2^118 gives value and block scale at once, exactly (6 significant bits)."""
    low = ((codes & 8) << 12) | ((codes & 7) << 6)
    high = ((codes & 0x80) << 8) | ((codes & 0x70) << 2)
    bits = tl.join(low, high).reshape(N, K)
    values = bits.to(tl.int16).to(tl.bfloat16, bitcast=True)
    factor = (scale.to(tl.float32) * 3.323069982712e35).to(tl.bfloat16)  # 2^118
    return (values.reshape(N, K // 16, 16) * factor.expand_dims(2)).reshape(N, K)


@triton.jit
def tile(packed, scales, expert, n, k, rows, N_ALL, K_ALL, BN: tl.constexpr, BK: tl.constexpr):
    """Weights of outputs n + [0, BN), columns k + [0, BK), as bf16 * 2^-8."""
    row = expert.to(tl.int64) * N_ALL + n + tl.arange(0, BN)
    bytes_at = row[:, None] * (K_ALL // 2) + k // 2 + tl.arange(0, BK // 2)[None, :]
    scale_at = row[:, None] * (K_ALL // 16) + k // 16 + tl.arange(0, BK // 16)[None, :]
    return decode(tl.load(packed + bytes_at).to(tl.int32), tl.load(scales + scale_at), BN, BK)


@triton.jit
def fc1(x, packed, scales, out, order, block_expert, block_first, block_rows, alpha, TOP_K: tl.constexpr, H: tl.constexpr,
        I: tl.constexpr, GATED: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    block = tl.program_id(1)
    count = tl.load(block_rows + block)
    if count <= 0:
        return
    n = tl.program_id(0) * BN
    expert = tl.load(block_expert + block)
    lane = tl.arange(0, BM)
    pair = tl.load(order + tl.load(block_first + block) + lane, mask=lane < count, other=0)
    x_at = x + (pair // TOP_K).to(tl.int64)[:, None] * H + tl.arange(0, BK)[None, :]
    up = tl.zeros((BM, BN), tl.float32)
    gate = tl.zeros((BM, BN), tl.float32)
    rows: tl.constexpr = 2 * I if GATED else I
    for k in range(0, H, BK):
        a = tl.load(x_at + k, mask=(lane < count)[:, None], other=0.0)
        up = tl.dot(a, tile(packed, scales, expert, n, k, rows, rows, H, BN, BK).T, up)
        if GATED:
            gate = tl.dot(a, tile(packed, scales, expert, I + n, k, rows, rows, H, BN, BK).T, gate)
    up = up * (alpha * 256)
    if GATED:
        gate = gate * (alpha * 256)
        value = gate * tl.sigmoid(gate) * up
    else:
        value = tl.maximum(up, 0.0)
        value = value * value
    at = out + pair.to(tl.int64)[:, None] * I + n + tl.arange(0, BN)[None, :]
    tl.store(at, value.to(tl.bfloat16), mask=(lane < count)[:, None])


@triton.jit
def fc2(act, packed, scales, out, router, order, block_expert, block_first, block_rows, alpha, H: tl.constexpr,
        I: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    block = tl.program_id(1)
    count = tl.load(block_rows + block)
    if count <= 0:
        return
    n = tl.program_id(0) * BN
    expert = tl.load(block_expert + block)
    lane = tl.arange(0, BM)
    pair = tl.load(order + tl.load(block_first + block) + lane, mask=lane < count, other=0)
    act_at = act + pair.to(tl.int64)[:, None] * I + tl.arange(0, BK)[None, :]
    sums = tl.zeros((BM, BN), tl.float32)
    for k in range(0, I, BK):
        a = tl.load(act_at + k, mask=(lane < count)[:, None], other=0.0)
        sums = tl.dot(a, tile(packed, scales, expert, n, k, H, H, I, BN, BK).T, sums)
    weight = tl.load(router + pair, mask=lane < count, other=0.0) * (alpha * 256)
    at = out + pair.to(tl.int64)[:, None] * H + n + tl.arange(0, BN)[None, :]
    tl.store(at, (sums * weight[:, None]).to(tl.bfloat16), mask=(lane < count)[:, None])


class TritonW4A16:
    name = "triton W4A16 NVFP4"

    def __init__(self, layer, block_m, block_n, block_k, warps, stages, sorted_rows=True):
        self.layer = layer
        self.config = {"block_m": block_m, "block_n": block_n, "block_k": block_k, "warps": warps, "stages": stages, "sorted": sorted_rows}

    def blocks(self, ids):
        """Rows sorted by expert, in blocks of at most block_m of one expert; no host reads, so a graph can hold it. Without
        sorting each pair is a block: an expert may be read twice, but there is no index work."""
        shape, bm = self.layer.shape, self.config["block_m"]
        if not self.config["sorted"]:
            pairs = torch.arange(ids.numel(), dtype=torch.int32, device="cuda")
            return pairs, ids.flatten(), pairs, torch.ones_like(pairs)
        flat = ids.flatten().long()
        order = flat.argsort(stable=True).to(torch.int32)
        counts = torch.zeros(shape.experts, dtype=torch.int64, device="cuda").scatter_add_(0, flat, torch.ones_like(flat))
        most = min(flat.numel(), flat.numel() // bm + min(shape.experts, flat.numel()))
        ends = ((counts + bm - 1) // bm).cumsum(0)
        index = torch.arange(most, device="cuda")
        expert = torch.searchsorted(ends, index, right=True).clamp(max=shape.experts - 1)
        within = (index - (ends[expert] - (counts[expert] + bm - 1) // bm)) * bm
        rows = torch.where(index < ends[-1], counts[expert] - within, 0).clamp(max=bm)
        first = counts.cumsum(0)[expert] - counts[expert] + within
        return order, expert.to(torch.int32), first.to(torch.int32), rows.to(torch.int32)

    def __call__(self, x, ids, router):
        layer, shape, c = self.layer, self.layer.shape, self.config
        order, expert, first, rows = self.blocks(ids)
        act = torch.empty(ids.numel(), shape.intermediate, dtype=torch.bfloat16, device="cuda")
        y = torch.empty(ids.numel(), shape.hidden, dtype=torch.bfloat16, device="cuda")
        tiles = dict(BM=c["block_m"], BN=c["block_n"], BK=c["block_k"], num_warps=c["warps"], num_stages=c["stages"])
        fc1[(shape.intermediate // c["block_n"], expert.numel())](
            x, layer.w13.packed, layer.w13.scales, act, order, expert, first, rows, layer.alpha1,
            shape.top_k, shape.hidden, shape.intermediate, shape.gated, **tiles)
        fc2[(shape.hidden // c["block_n"], expert.numel())](
            act, layer.w2.packed, layer.w2.scales, y, router, order, expert, first, rows, layer.alpha2,
            shape.hidden, shape.intermediate, **tiles)
        return y.view(-1, shape.top_k, shape.hidden).sum(1, dtype=torch.float32).to(torch.bfloat16)


def candidates(layer, tokens):
    """A few tile choices for this many rows an expert; the caller takes the fastest."""
    rows = tokens * layer.shape.top_k / layer.shape.experts
    if rows <= 16:
        tiles = [(16, 64, 128, 4, 3), (16, 32, 256, 4, 3), (16, 64, 64, 4, 5)]
    elif rows <= 64:
        tiles = [(32, 64, 128, 4, 3), (64, 64, 64, 4, 3), (32, 64, 64, 4, 4)]
    else:
        tiles = [(128, 64, 64, 8, 3), (64, 64, 64, 4, 3), (128, 64, 128, 8, 2)]
    found = [TritonW4A16(layer, *tile) for tile in tiles]
    if tokens * layer.shape.top_k <= 64:
        found += [TritonW4A16(layer, *tile, sorted_rows=False) for tile in ((16, 32, 256, 4, 3), (16, 16, 256, 2, 4), (16, 32, 128, 2, 4))]
    return found
