"""The layers that are measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    name: str
    hidden: int
    intermediate: int
    experts: int
    top_k: int
    gated: bool

    @property
    def matrices(self):
        return 3 if self.gated else 2

    @property
    def expert_bytes(self):
        """FP4 weights and one E4M3 scale a 16: 0.5625 bytes a weight."""
        return self.matrices * self.hidden * self.intermediate * 9 // 16

    @property
    def argument(self):
        """What moescope_cuda_bench takes as --shape: H,I,E,k,activation (moe_activation of native/provider.h: 0 silu, 3 relu2)."""
        return f"{self.hidden},{self.intermediate},{self.experts},{self.top_k},{0 if self.gated else 3}"

    def flops(self, tokens):
        return 2 * self.matrices * self.hidden * self.intermediate * self.top_k * tokens


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("qwen3-30b-a3b", 2048, 768, 128, 8, True),
        Shape("nemotron-3-super", 1024, 2688, 512, 22, False),
        Shape("deepseek-like", 7168, 2048, 256, 8, True),
    )
}
