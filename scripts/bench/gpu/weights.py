"""A random NVFP4 layer on the GPU, and the same values in bf16."""

import torch

E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


class Operand:
    """[E, N, K] weights: packed codes [E, N, K/2] (even element low), E4M3 scales [E, N, K/16], values = e2m1 * e4m3."""

    def __init__(self, experts, n, k, generator):
        self.n, self.k = n, k
        self.packed = torch.randint(0, 256, (experts, n, k // 2), dtype=torch.uint8, device="cuda", generator=generator)
        # 0.25 .. 3.75, as torch.float8_e4m3fn
        codes = torch.randint(0x28, 0x48, (experts, n, k // 16), dtype=torch.uint8, device="cuda", generator=generator)
        self.scales = codes.view(torch.float8_e4m3fn)

    def bf16(self):
        """Exact: E2M1 * E4M3 needs 6 significant bits. One expert at a time, to spare memory."""
        table = torch.tensor(E2M1 + tuple(-value for value in E2M1), dtype=torch.bfloat16, device="cuda")
        out = torch.empty(self.packed.shape[0], self.n, self.k, dtype=torch.bfloat16, device="cuda")
        for e in range(self.packed.shape[0]):
            packed = self.packed[e].int()
            values = torch.stack((table[packed & 15], table[packed >> 4]), dim=-1).view(self.n, self.k // 16, 16)
            out[e] = (values * self.scales[e].to(torch.bfloat16).unsqueeze(-1)).view(self.n, self.k)
        return out


class Layer:
    def __init__(self, shape, seed=7):
        generator = torch.Generator(device="cuda").manual_seed(seed)
        self.shape = shape
        rows = (2 if shape.gated else 1) * shape.intermediate
        self.w13 = Operand(shape.experts, rows, shape.hidden, generator)  # rows [up, gate]
        self.w2 = Operand(shape.experts, shape.hidden, shape.intermediate, generator)
        # Values have a root mean square near 5, so sums of K products near 5 sqrt(K): brought back to 1.
        self.alpha1 = 0.2 / shape.hidden**0.5
        self.alpha2 = 0.2 / shape.intermediate**0.5
