#include "cuda/provider/checked.h"

#include <array>
#include <cstdio>

#include "core/error/error.h"
#include "cuda/copy_error.h"

namespace moe::cuda {
namespace {

std::string named(Runtime& runtime, CudaStatus code) {
  return std::string(runtime.error_name(code)) + " (" + runtime.error_text(code) + ")";
}

/// "300 MiB free of 80.00 GiB".
std::string free_text(Runtime& runtime) {
  size_t free_bytes = 0;
  size_t total_bytes = 0;
  if (runtime.memory_info(&free_bytes, &total_bytes) != status::kSuccess) return "an amount that the driver does not tell";
  return bytes_text(free_bytes) + " free of " + bytes_text(total_bytes);
}

}  // namespace

bool is_fault(CudaStatus code) {
  switch (code) {
    case 214:  // cudaErrorECCUncorrectable
    case 220:  // cudaErrorNvlinkUncorrectable
    case 226:  // cudaErrorContained
    case status::kIllegalAddress:
    case 702:  // cudaErrorLaunchTimeout
    case 709:  // cudaErrorContextIsDestroyed
    case 710:  // cudaErrorAssert
    case 714:  // cudaErrorHardwareStackError
    case 715:  // cudaErrorIllegalInstruction
    case 716:  // cudaErrorMisalignedAddress
    case 717:  // cudaErrorInvalidAddressSpace
    case 718:  // cudaErrorInvalidPc
    case status::kLaunchFailure:
    case 721:  // cudaErrorTensorMemoryLeak
    case 810:  // cudaErrorMpsClientTerminated
    case status::kUnknown:
      return true;
    default: return false;
  }
}

std::string bytes_text(uint64_t bytes) {
  constexpr std::array<const char*, 4> kUnits = {"B", "KiB", "MiB", "GiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 3 ? "%.2f %s" : "%.0f %s", value, kUnits[unit]);
  return text.data();
}

Error lost_device(Runtime& runtime, CudaStatus fault, const std::string& doing) {
  return {code::kDeviceLost, "the GPU reported " + named(runtime, fault) + " while " + doing, {{"subject", std::string("provider cuda")}, {"remedy", std::string(kRestart)}}};
}

void check(Runtime& runtime, CudaStatus code, const std::string& doing) {
  if (code == status::kSuccess) return;
  runtime.take_last_error();
  if (is_fault(code)) throw lost_device(runtime, code, doing);
  if (code == status::kMemoryAllocation) {
    throw Error(code::kOutOfMemory, "the GPU has no memory left while " + doing, {{"expected", std::string("more free")}, {"found", free_text(runtime)}, {"remedy", std::string(kFreeMemory)}});
  }
  if (code == status::kNoKernelImage) {
    throw Error(code::kUnsupported, "the cuda provider holds no kernel for this GPU (" + named(runtime, code) + " while " + doing + ")");
  }
  throw Error(code::kInternal, named(runtime, code) + " while " + doing);
}

Error no_memory(Runtime& runtime, const std::string& what, size_t bytes, const std::string& remedy) {
  runtime.take_last_error();
  return {code::kOutOfMemory, "the GPU has no memory for " + what,
          {{"subject", what}, {"expected", bytes == 0 ? std::string("more free") : bytes_text(bytes) + " free"}, {"found", free_text(runtime)}, {"remedy", remedy}}};
}

Error no_memory_for_family(Runtime& runtime, const std::string& family, const Error& thrown) {
  size_t bytes = 0;
  std::string remedy = kFreeMemory;
  std::vector<ErrorFact> others;
  for (const auto& [key, value] : thrown.details()) {
    const auto* number = std::get_if<double>(&value);
    const auto* text = std::get_if<std::string>(&value);
    if (key == kCopyBytes && number != nullptr) {
      bytes = static_cast<size_t>(*number);
    } else if (key == "remedy" && text != nullptr) {
      remedy = *text;
    } else if (key != "subject" && key != "expected" && key != "found") {
      others.emplace_back(key, value);
    }
  }
  const Error error = no_memory(runtime, "the layer's copy of " + family, bytes, remedy);
  std::vector<ErrorFact> facts = error.details();
  facts.insert(facts.end(), others.begin(), others.end());
  return {error.code(), error.message() + " (" + thrown.message() + ")", facts};
}

DeviceMemory::DeviceMemory(Runtime& runtime, size_t bytes, const std::string& what, const std::string& remedy) : runtime_(&runtime), bytes_(bytes) {
  if (bytes == 0) return;
  const CudaStatus code = runtime.allocate(&memory_, bytes);
  if (code == status::kSuccess) return;
  memory_ = nullptr;
  if (code != status::kMemoryAllocation) check(runtime, code, "allocating " + what);
  throw no_memory(runtime, what, bytes, remedy);
}

DeviceMemory& DeviceMemory::operator=(DeviceMemory&& other) noexcept {
  std::swap(runtime_, other.runtime_);
  std::swap(memory_, other.memory_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void DeviceMemory::release() {
  if (memory_ != nullptr) runtime_->free(memory_);
  memory_ = nullptr;
  bytes_ = 0;
}

OwnedStream make_stream(Runtime& runtime) {
  Stream stream = nullptr;
  check(runtime, runtime.create_stream(&stream), "creating a stream");
  return {runtime, stream};
}

OwnedEvent make_event(Runtime& runtime) {
  Event event = nullptr;
  check(runtime, runtime.create_event(&event), "creating an event");
  return {runtime, event};
}

}  // namespace moe::cuda
