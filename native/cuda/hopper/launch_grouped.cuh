// Launching the Hopper kernels: grid, ring size and programmatic dependent launch.
#pragma once

#include <algorithm>
#include <string>
#include <type_traits>

#include "core/error/error.h"
#include "cuda/hopper/stream.cuh"
#include "cuda/hopper/work.h"
#include "cuda/kernels/launch_check.h"

namespace moe::cuda::hopper {

/// Blocks an SM must have room for: what the compiler cuts registers to.
constexpr int min_blocks(int row_groups, int units) { return row_groups * units <= 2 ? 5 : row_groups * units <= 4 ? 4 : 3; }

/// @param overlapped the kernel may start before the one before it ended (it calls grid_wait())
template <class Work>
void launch(void (*kernel)(Work), const Work& work, dim3 grid, int threads, int shared_bytes, bool overlapped, cudaStream_t stream, const char* name) {
  // All kernels of a run ask for the same split of L1 and shared memory: an SM changes it only when idle, and then the next
  // kernel could not start beside this one.
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout, cudaSharedmemCarveoutMaxShared), name);
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes), name);
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = static_cast<size_t>(shared_bytes);
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = overlapped ? 1 : 0;
  check_cuda(cudaLaunchKernelEx(&config, kernel, work), name);
}

/// The compiled tiles: (row groups, units).
template <class Body>
void with_tile(const Tuning& tuning, const Body& body) {
  const auto with_units = [&](auto groups) {
    if (tuning.units >= 2) {
      body(groups, std::integral_constant<int, 2>{});
    } else {
      body(groups, std::integral_constant<int, 1>{});
    }
  };
  if (tuning.row_groups <= 1) {
    with_units(std::integral_constant<int, 1>{});
  } else if (tuning.row_groups <= 2) {
    with_units(std::integral_constant<int, 2>{});
  } else {
    with_units(std::integral_constant<int, 4>{});
  }
}

inline constexpr int kSharedPerSm = 227 * 1024;   ///< of sm_90, for all blocks
inline constexpr int kReservedPerBlock = 1024;

/// Fills the stream's geometry in and launches: as many blocks as fit (or as there can be items), each walking the items
/// blockIdx, blockIdx + grid, ...
template <int kRowGroups, int kUnits, class Work>
void launch_grouped(void (*kernel)(Work), Work work, const Pass& pass, const Tuning& tuning, cudaStream_t stream, const char* name) {
  StreamWork& s = work.stream;
  s.tile_rows = std::min({8 * kRowGroups, tuning.tile_rows != 0 ? tuning.tile_rows : 64, pass.tokens});
  const int tiles = max_tiles(s.pairs, s.experts, s.tile_rows);
  s.tiles_capacity = (tiles + 3) / 4 * 4;  // what follows in shared memory is 16-byte aligned
  const int warp_chunks = (s.chunks + kWarps - 1) / kWarps;
  s.stage_chunks = std::min(tuning.stage_chunks, warp_chunks);
  s.stage_bytes = stage_bytes_of(kUnits, s.stage_chunks, s.tile_rows);
  const int item_stages = (warp_chunks + s.stage_chunks - 1) / s.stage_chunks;
  const int64_t items = static_cast<int64_t>(tiles) * ((s.units + kUnits - 1) / kUnits);
  const auto bytes_at = [&](int depth) { return stream_shared_bytes(s.tile_rows, kUnits, depth, s.stage_bytes, s.experts, s.pairs, s.tiles_capacity); };
  const int wanted_blocks = tuning.blocks_per_sm * pass.sm_count;
  // A block that has one item only needs no more slots than the item has stages.
  int depth = std::min({tuning.depth, kMaxDepth, items <= wanted_blocks ? item_stages : kMaxDepth});
  const int most = kSharedPerSm - kReservedPerBlock;
  while (depth > 1 && bytes_at(depth) > most) --depth;
  s.depth = depth;
  const int shared_bytes = bytes_at(depth);
  if (shared_bytes > most) {
    throw Error(code::kUnsupportedShape, std::string(name) + " needs " + std::to_string(shared_bytes) + " bytes of shared memory a block, the device has " + std::to_string(most));
  }
  const int blocks = static_cast<int>(std::min<int64_t>(items, wanted_blocks));
  launch(kernel, work, dim3(static_cast<unsigned>(blocks)), kWarps * 32, shared_bytes, pass.overlapped, stream, name);
}

}  // namespace moe::cuda::hopper
