// Errors of the native engine: a code that programs match, one sentence for people, and named facts.
#pragma once

#include <exception>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace moe {

/// The error codes that native code raises. Each equals a string of `errorCodes` in electron/contract/errors.ts.
namespace code {
inline constexpr char kUsage[] = "usage";
inline constexpr char kFileNotFound[] = "file-not-found";
inline constexpr char kFileUnreadable[] = "file-unreadable";
inline constexpr char kFileTruncated[] = "file-truncated";
inline constexpr char kOutOfBounds[] = "out-of-bounds";
inline constexpr char kWrongDtype[] = "wrong-dtype";
inline constexpr char kWrongShape[] = "wrong-shape";
inline constexpr char kBadScale[] = "bad-scale";
inline constexpr char kUnsupportedShape[] = "unsupported-shape";
inline constexpr char kBadPermutation[] = "bad-permutation";
inline constexpr char kBadRouting[] = "bad-routing";
inline constexpr char kBadRules[] = "bad-rules";
inline constexpr char kUnsupported[] = "unsupported";
inline constexpr char kProviderLoad[] = "provider-load";
inline constexpr char kNoDevice[] = "no-device";
inline constexpr char kDeviceLost[] = "device-lost";
inline constexpr char kOutOfMemory[] = "out-of-memory";
inline constexpr char kDiskFull[] = "disk-full";
inline constexpr char kCancelled[] = "cancelled";
inline constexpr char kWrongState[] = "wrong-state";
inline constexpr char kInternal[] = "internal";
}  // namespace code

/// One named fact of an error. The keys `subject`, `expected`, `found` and `remedy` are shown to the user as such
/// (AppErrorSchema); others (`projection`, `expert`, `row`, `column`) let the caller name the tensor.
using ErrorFact = std::pair<std::string, std::variant<std::string, double, bool>>;

/// What native code throws. `message` is one sentence without a trailing full stop's worth of advice: advice is the
/// fact `remedy`.
class Error : public std::exception {
 public:
  Error(std::string error_code, std::string message, std::vector<ErrorFact> details = {})
      : code_(std::move(error_code)), message_(std::move(message)), details_(std::move(details)) {}

  const std::string& code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }
  const std::vector<ErrorFact>& details() const noexcept { return details_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string code_;
  std::string message_;
  std::vector<ErrorFact> details_;
};

}  // namespace moe
