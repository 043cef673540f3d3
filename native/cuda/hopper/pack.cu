// Weights into fragment order, once a layer.
#include "cuda/hopper/fragments.cuh"
#include "cuda/hopper/work.h"
#include "cuda/kernels/formats.cuh"
#include "cuda/kernels/launch_check.h"

namespace moe::cuda::hopper {
namespace {

struct PackWork {
  const uint8_t *packed, *scales;
  size_t plane_bytes;
  int n, k, k_tiles, units, chunks;
  bool gated;
  uint8_t* out;
};

/// Grid (chunks, units, experts), a warp for each of the two tiles: a lane gathers what fragments.cuh gives it.
__global__ void pack_kernel(const PackWork work) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int tile = static_cast<int>(threadIdx.x / 32);
  const int chunk = static_cast<int>(blockIdx.x);
  const int unit = static_cast<int>(blockIdx.y);
  const size_t expert = blockIdx.z;
  const int q = lane % 4;
  const int first = work.gated ? tile * (work.n / 2) + unit * 16 : unit * kUnitRows + tile * 16;
  const int end = work.gated ? (tile + 1) * (work.n / 2) : work.n;
  uint8_t* to = work.out + ((expert * work.units + unit) * work.chunks + chunk) * kChunkBytes;
  const int block = chunk * 4 + q;
  uint32_t words[4] = {0, 0, 0, 0};
  uint8_t scales[2] = {0, 0};
  for (int half = 0; half < 2; ++half) {
    const int row = first + lane / 4 + 8 * half;
    if (row >= end || block * 16 >= work.k) continue;
    const uint8_t* from = work.packed + (expert * work.n + row) * (static_cast<size_t>(work.k) / 2) + block * 8;
    for (int i = 0; i < 16; ++i) {
      const uint32_t code = from[i / 2] >> (i % 2 * 4) & 15U;
      const int step = i / 4;
      const int pair = i % 4 / 2;  // 0: the fragment's first column pair
      words[step] |= place_code(code, 2 * pair + half) << (i % 2 * 16);
    }
    scales[half] = work.scales[expert * work.plane_bytes + scale_offset_128x4(row, block, work.k_tiles)];
  }
  reinterpret_cast<uint4*>(to + tile * kTileBytes)[lane] = make_uint4(words[0], words[1], words[2], words[3]);
  *reinterpret_cast<uint16_t*>(to + 2 * kTileBytes + lane * 4 + tile * 2) = static_cast<uint16_t>(scales[0] | scales[1] << 8);
}

}  // namespace

void enqueue_pack(const uint8_t* packed, const uint8_t* scales, size_t scale_plane_bytes, int experts, int n, int k, bool gated, const PackedOperand& out, cudaStream_t stream) {
  const PackWork work{packed, scales, scale_plane_bytes, n, k, (k + 63) / 64, out.units, out.chunks, gated, out.data};
  pack_kernel<<<dim3(static_cast<unsigned>(out.chunks), static_cast<unsigned>(out.units), static_cast<unsigned>(experts)), 64, 0, stream>>>(work);
  check_launch("b12x-upcast weight packing");
}

}  // namespace moe::cuda::hopper
