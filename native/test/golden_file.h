// Reads tensors of the shared goldens (safetensors) for tests. The folder of checkpoints is MOESCOPE_SHARED/checkpoints, or
// ../shared/checkpoints beside the repository.
#pragma once

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace moe::test {

/// Folder of the shared checkpoints; nothing where it is absent. Throws in CI (CI=true), where it must be there.
inline std::optional<std::filesystem::path> shared_checkpoints() {
  const char* given = std::getenv("MOESCOPE_SHARED");
  const std::filesystem::path shared = given != nullptr ? std::filesystem::path(given) : std::filesystem::path(MOESCOPE_REPOSITORY) / ".." / "shared";
  if (std::filesystem::is_directory(shared / "checkpoints")) return shared / "checkpoints";
  const char* ci = std::getenv("CI");
  if (ci != nullptr && std::string(ci) == "true") {
    throw std::runtime_error("the shared folder with checkpoints and goldens is missing: " + shared.string() + " (set MOESCOPE_SHARED)");
  }
  return std::nullopt;
}

/// A whole safetensors file; only what the goldens need: one flat JSON object, no escapes.
class GoldenFile {
 public:
  explicit GoldenFile(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw std::runtime_error("cannot read " + path.string());
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    uint64_t length = 0;
    std::memcpy(&length, bytes_.data(), 8);
    header_.assign(bytes_.data() + 8, length);
    base_ = 8 + length;
  }

  bool has(const std::string& name) const { return header_.find("\"" + name + "\":{") != std::string::npos; }

  std::vector<int64_t> shape(const std::string& name) const { return numbers(name, "\"shape\":["); }

  template <class T>
  std::vector<T> tensor(const std::string& name) const {
    const std::vector<int64_t> range = numbers(name, "\"data_offsets\":[");
    std::vector<T> out(static_cast<size_t>(range.at(1) - range.at(0)) / sizeof(T));
    std::memcpy(out.data(), bytes_.data() + base_ + static_cast<uint64_t>(range.at(0)), out.size() * sizeof(T));
    return out;
  }

  /// Byte offset in the file and length.
  std::pair<uint64_t, uint64_t> range(const std::string& name) const {
    const std::vector<int64_t> span = numbers(name, "\"data_offsets\":[");
    return {base_ + static_cast<uint64_t>(span.at(0)), static_cast<uint64_t>(span.at(1) - span.at(0))};
  }

 private:
  std::vector<int64_t> numbers(const std::string& name, const std::string& key) const {
    const size_t entry = header_.find("\"" + name + "\":{");
    if (entry == std::string::npos) throw std::runtime_error("no tensor " + name);
    const size_t begin = header_.find(key, entry) + key.size();
    std::vector<int64_t> out;
    std::string digits;
    for (size_t i = begin;; ++i) {
      if (header_[i] >= '0' && header_[i] <= '9') {
        digits.push_back(header_[i]);
        continue;
      }
      if (!digits.empty()) out.push_back(std::stoll(digits));
      digits.clear();
      if (header_[i] == ']') return out;
    }
  }

  std::vector<char> bytes_;
  std::string header_;
  uint64_t base_ = 0;
};

}  // namespace moe::test
