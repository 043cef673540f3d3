#include "core/tensor/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>

#include "core/error/error.h"

namespace moe {
namespace {

[[noreturn]] void fail_io(const std::string& path, const std::string& what, int reason) {
  const bool full = reason == ENOSPC || reason == EDQUOT || reason == EFBIG;
  const bool missing = reason == ENOENT || reason == ENOTDIR;
  const char* error_code = full ? code::kDiskFull : missing ? code::kFileNotFound : code::kFileUnreadable;
  const std::string remedy = full ? "free some space, or write to another disk" : missing ? "make the folder first" : "check the permissions of the folder";
  throw Error(error_code, path + ": " + what + ": " + std::strerror(reason), {{"subject", path}, {"found", std::string(std::strerror(reason))}, {"remedy", remedy}});
}

std::string json_string(const std::string& text) {
  std::string out(1, '"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", byte);
      out += escape;
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
  return out;
}

std::string header_of(const std::vector<Tensor>& tensors, const std::vector<std::pair<std::string, std::string>>& metadata) {
  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (size_t i = 0; i < metadata.size(); ++i) header += (i == 0 ? "" : ",") + json_string(metadata[i].first) + ":" + json_string(metadata[i].second);
    header += "}";
  }
  uint64_t at = 0;
  for (const Tensor& tensor : tensors) {
    if (header.size() > 1) header += ",";
    std::string shape;
    for (const int64_t extent : tensor.shape) shape += (shape.empty() ? "" : ",") + std::to_string(extent);
    header += json_string(tensor.name) + ":{\"dtype\":\"" + dtype_name(tensor.dtype) + "\",\"shape\":[" + shape + "],\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(at + tensor.bytes) + "]}";
    at += tensor.bytes;
  }
  header += "}";
  header.append((8 - header.size() % 8) % 8, ' ');
  return header;
}

/// A file being written beside its final name; removed unless commit() is reached.
class PendingFile {
 public:
  explicit PendingFile(const std::string& path) : path_(path) {
    static std::atomic<uint32_t> counter{0};
    const size_t slash = path.rfind('/');
    folder_ = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    pending_ = folder_ + "/." + name + "." + std::to_string(::getpid()) + "." + std::to_string(counter++) + ".part";
    descriptor_ = ::open(pending_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0) fail_io(path_, "cannot be written", errno);
  }
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  ~PendingFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!pending_.empty()) ::unlink(pending_.c_str());
  }

  void write(const uint8_t* data, uint64_t bytes) {
    while (bytes > 0) {
      const ssize_t written = ::write(descriptor_, data, std::min<uint64_t>(bytes, 16U << 20U));
      if (written < 0) {
        if (errno == EINTR) continue;
        fail_io(path_, "cannot be written", errno);
      }
      data += written;
      bytes -= static_cast<uint64_t>(written);
    }
  }

  void commit() {
    if (::fsync(descriptor_) != 0) fail_io(path_, "cannot be flushed", errno);
    const int descriptor = descriptor_;
    descriptor_ = -1;
    if (::close(descriptor) != 0) fail_io(path_, "cannot be closed", errno);
    if (::rename(pending_.c_str(), path_.c_str()) != 0) fail_io(path_, "cannot be replaced", errno);
    pending_.clear();
    const int folder = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {  // some file systems cannot fsync a folder; the data itself is safe by now
      ::fsync(folder);
      ::close(folder);
    }
  }

 private:
  std::string path_, folder_, pending_;
  int descriptor_ = -1;
};

}  // namespace

void write_safetensors(const std::string& path, const std::vector<Tensor>& tensors, const std::vector<std::pair<std::string, std::string>>& metadata, const Task& task) {
  std::vector<Tensor> ordered = tensors;
  std::stable_sort(ordered.begin(), ordered.end(), [](const Tensor& a, const Tensor& b) { return dtype_bytes(a.dtype) > dtype_bytes(b.dtype); });
  std::set<std::string> names;
  uint64_t total = 0;
  for (const Tensor& tensor : ordered) {
    if (!names.insert(tensor.name).second) throw Error(code::kUsage, path + ": tensor " + tensor.name + " is given twice", {{"subject", tensor.name}});
    if (tensor.backing) tensor.backing->ensure_readable();
    total += tensor.bytes;
  }
  const std::string header = header_of(ordered, metadata);
  PendingFile file(path);
  uint8_t length[8];
  for (unsigned i = 0; i < 8; ++i) length[i] = static_cast<uint8_t>(static_cast<uint64_t>(header.size()) >> (8U * i));
  file.write(length, sizeof length);
  file.write(reinterpret_cast<const uint8_t*>(header.data()), header.size());
  uint64_t done = 0;
  for (const Tensor& tensor : ordered) {
    for (uint64_t at = 0; at < tensor.bytes;) {
      task.check();
      const uint64_t step = std::min<uint64_t>(tensor.bytes - at, 8U << 20U);
      file.write(tensor.data + at, step);
      at += step;
      done += step;
      if (task.progress) task.progress(done, total);
    }
  }
  task.check();
  file.commit();
}

}  // namespace moe
