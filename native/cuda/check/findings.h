// What the correctness program found, for the terminal and as JSON.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace moe::cuda::checking {

/// One number against its limit; `value` must be <= `limit` (NaN never is).
struct Finding {
  std::string group;    ///< "mma", "formats" or the name of a family
  std::string measure;  ///< "y NRMSE", "runs that differ", ...
  std::string where;    ///< the case, kernel and tile
  double value = 0, limit = 0;
  bool ok() const { return value <= limit; }
};

class Findings {
 public:
  void add(Finding finding);
  /// Something that was not run and why.
  void skip(const std::string& group, const std::string& where, const std::string& reason);
  bool ok() const { return failures_.empty(); }
  int64_t count() const { return count_; }
  const std::vector<Finding>& failures() const { return failures_; }

  /// {"ok", "checks", "groups": {group: {measure: {"count", "worst", "limit", "where"}}}, "skipped": [...], "failures": [...]}
  /// with `header` (complete JSON members, each followed by a comma) in front.
  std::string json(const std::string& header) const;
  std::string text() const;

 private:
  struct Worst {
    int64_t count = 0;
    Finding finding;
  };
  struct Skip {
    std::string group, where, reason;
  };
  int64_t count_ = 0;
  std::map<std::string, std::map<std::string, Worst>> worst_;
  std::vector<Finding> failures_;
  std::vector<Skip> skipped_;
};

/// A JSON string literal.
std::string quoted(const std::string& text);

}  // namespace moe::cuda::checking
