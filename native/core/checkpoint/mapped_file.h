// A read-only memory map of one file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/tensor/tensor.h"

namespace moe {

/// The map lives as long as anything refers to it. A file that is cut after mapping would make reads fault (SIGBUS), so
/// every pass over the bytes asks ensure_readable() first; what remains is a cut during the pass itself.
class MappedFile final : public Backing {
 public:
  /// Throws `file-not-found`, or `file-unreadable` for a folder, a special file, or one without permission. An empty file
  /// maps to zero bytes.
  static std::shared_ptr<const MappedFile> open(const std::string& path);
  ~MappedFile() override;

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  const uint8_t* data() const { return data_; }

  /// Bytes [offset, offset + length). Throws `out-of-bounds` naming the range and the size.
  const uint8_t* range(uint64_t offset, uint64_t length) const;
  /// Throws `file-truncated` when the file is now shorter than the map.
  void ensure_readable() const override;

 private:
  MappedFile(std::string path, int descriptor, const uint8_t* data, uint64_t size)
      : path_(std::move(path)), descriptor_(descriptor), data_(data), size_(size) {}

  std::string path_;
  int descriptor_;
  const uint8_t* data_;
  uint64_t size_;
};

}  // namespace moe
