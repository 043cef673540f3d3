"""Peer: torch._grouped_mm over dequantised bf16 weights, sorting, gathering and scattering included."""

import torch
import torch.nn.functional as F


class TorchGrouped:
    name = "torch bf16 _grouped_mm"

    def __init__(self, layer):
        self.layer = layer
        self.w13 = layer.w13.bf16().transpose(-2, -1)
        self.w2 = layer.w2.bf16().transpose(-2, -1)

    def __call__(self, x, ids, router):
        shape, layer = self.layer.shape, self.layer
        flat = ids.flatten()
        order = flat.argsort(stable=True)
        token = order // shape.top_k
        offsets = torch.zeros(shape.experts, dtype=torch.int32, device="cuda")
        offsets.scatter_add_(0, flat.long(), torch.ones_like(flat))
        offsets = offsets.cumsum(0, dtype=torch.int32)
        h = torch._grouped_mm(x[token], self.w13, offs=offsets) * layer.alpha1
        if shape.gated:
            up, gate = h.chunk(2, dim=-1)
            h = F.silu(gate) * up
        else:
            h = F.relu(h).square()
        y = torch._grouped_mm(h.contiguous(), self.w2, offs=offsets) * (layer.alpha2 * router.flatten()[order]).unsqueeze(-1)
        return torch.zeros_like(x, dtype=torch.float32).index_add_(0, token, y.float()).to(torch.bfloat16)
