// Writes tensors as one safetensors file.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/parallel/parallel.h"
#include "core/tensor/tensor.h"

namespace moe {

/// Writes `tensors` and `metadata` (`__metadata__`) to `path` atomically: a temporary file beside it, fsync, rename, fsync
/// of the folder; on failure the old file is untouched and the temporary one removed. Wider element types come first, so
/// that each tensor starts aligned. Progress counts bytes.
/// Throws `disk-full`, `file-not-found` (no such folder), `file-unreadable` (no permission, a folder in the way, I/O
/// error), `usage` (a name twice), `cancelled`.
void write_safetensors(const std::string& path, const std::vector<Tensor>& tensors, const std::vector<std::pair<std::string, std::string>>& metadata, const Task& task);

}  // namespace moe
