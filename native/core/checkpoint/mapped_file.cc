#include "core/checkpoint/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error/error.h"

namespace moe {
namespace {

[[noreturn]] void fail(const char* error_code, const std::string& path, const std::string& found, const std::string& remedy) {
  throw Error(error_code, path + ": " + found, {{"subject", path}, {"expected", "a readable file"}, {"found", found}, {"remedy", remedy}});
}

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }
  int release() {
    const int value = value_;
    value_ = -1;
    return value;
  }

 private:
  int value_;
};

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  // O_NONBLOCK: a named pipe would otherwise wait for a writer; regular files ignore it.
  Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.get() < 0) {
    const int reason = errno;
    if (reason == ENOENT || reason == ENOTDIR) fail(code::kFileNotFound, path, "no such file", "check the path");
    fail(code::kFileUnreadable, path, std::strerror(reason), "check its permissions");
  }
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) fail(code::kFileUnreadable, path, std::strerror(errno), "check the file system");
  if (S_ISDIR(status.st_mode)) fail(code::kFileUnreadable, path, "is a folder, not a file", "name the file inside it");
  if (!S_ISREG(status.st_mode)) fail(code::kFileUnreadable, path, "is not a regular file", "copy its contents to a file");
  const auto size = static_cast<uint64_t>(status.st_size);
  const uint8_t* data = nullptr;
  if (size > 0) {
    void* map = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor.get(), 0);
    if (map == MAP_FAILED) fail(code::kFileUnreadable, path, std::string("cannot be mapped: ") + std::strerror(errno), "check the file system");
    data = static_cast<const uint8_t*>(map);
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, descriptor.release(), data, size));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<uint8_t*>(data_), size_);
  ::close(descriptor_);
}

const uint8_t* MappedFile::range(uint64_t offset, uint64_t length) const {
  if (offset > size_ || length > size_ - offset) {
    const std::string found = "bytes " + std::to_string(offset) + " to " + std::to_string(offset) + " + " + std::to_string(length);
    throw Error(code::kOutOfBounds, path_ + ": " + found + " leave the file of " + std::to_string(size_) + " bytes",
                {{"subject", path_}, {"expected", "a range inside " + std::to_string(size_) + " bytes"}, {"found", found}, {"remedy", "the file may be cut short: fetch it again"}});
  }
  return data_ + offset;
}

void MappedFile::ensure_readable() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) fail(code::kFileUnreadable, path_, std::strerror(errno), "check the file system");
  if (static_cast<uint64_t>(status.st_size) < size_) {
    throw Error(code::kFileTruncated, path_ + ": was cut to " + std::to_string(status.st_size) + " bytes while it was open",
                {{"subject", path_}, {"expected", std::to_string(size_) + " bytes"}, {"found", std::to_string(status.st_size) + " bytes"}, {"remedy", "open the checkpoint again once the file is whole"}});
  }
}

}  // namespace moe
