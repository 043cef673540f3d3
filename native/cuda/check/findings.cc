#include "cuda/check/findings.h"

#include <cmath>
#include <cstdio>
#include <sstream>

namespace moe::cuda::checking {
namespace {

/// JSON has no NaN and no infinity.
std::string number(double value) {
  if (!std::isfinite(value)) return quoted(std::isnan(value) ? "NaN" : "infinity");
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

bool worse(const Finding& a, const Finding& b) { return std::isnan(a.value) || a.value > b.value; }

}  // namespace

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

void Findings::add(Finding finding) {
  ++count_;
  Worst& worst = worst_[finding.group][finding.measure];
  if (worst.count++ == 0 || worse(finding, worst.finding)) worst.finding = finding;
  if (!finding.ok()) failures_.push_back(std::move(finding));
}

void Findings::skip(const std::string& group, const std::string& where, const std::string& reason) {
  // Once is enough: most reasons hold for every case.
  for (const Skip& earlier : skipped_) {
    if (earlier.group == group && earlier.reason == reason) return;
  }
  skipped_.push_back({group, where, reason});
}

std::string Findings::json(const std::string& header) const {
  std::ostringstream out;
  out << "{\n" << header << "  \"ok\": " << (ok() ? "true" : "false") << ",\n  \"checks\": " << count_ << ",\n  \"groups\": {";
  const char* group_comma = "\n";
  for (const auto& [group, measures] : worst_) {
    out << group_comma << "    " << quoted(group) << ": {";
    group_comma = ",\n";
    const char* comma = "\n";
    for (const auto& [measure, worst] : measures) {
      out << comma << "      " << quoted(measure) << ": { \"count\": " << worst.count << ", \"worst\": " << number(worst.finding.value) << ", \"limit\": " << number(worst.finding.limit)
          << ", \"where\": " << quoted(worst.finding.where) << " }";
      comma = ",\n";
    }
    out << "\n    }";
  }
  out << "\n  },\n  \"skipped\": [";
  const char* comma = "\n";
  for (const Skip& skip : skipped_) {
    out << comma << "    { \"group\": " << quoted(skip.group) << ", \"where\": " << quoted(skip.where) << ", \"reason\": " << quoted(skip.reason) << " }";
    comma = ",\n";
  }
  out << "\n  ],\n  \"failures\": [";
  comma = "\n";
  for (const Finding& finding : failures_) {
    out << comma << "    { \"group\": " << quoted(finding.group) << ", \"measure\": " << quoted(finding.measure) << ", \"where\": " << quoted(finding.where)
        << ", \"value\": " << number(finding.value) << ", \"limit\": " << number(finding.limit) << " }";
    comma = ",\n";
  }
  out << "\n  ]\n}\n";
  return out.str();
}

std::string Findings::text() const {
  std::ostringstream out;
  for (const auto& [group, measures] : worst_) {
    for (const auto& [measure, worst] : measures) {
      out << group << ": " << measure << ", " << worst.count << " checks, worst " << number(worst.finding.value) << " (limit " << number(worst.finding.limit) << "; " << worst.finding.where
          << ")\n";
    }
  }
  for (const Skip& skip : skipped_) out << skip.group << ": " << skip.where << ": not run, " << skip.reason << '\n';
  size_t shown = 0;
  for (const Finding& finding : failures_) {
    if (++shown > 40) break;
    out << "FAILED " << finding.group << ": " << finding.measure << " is " << number(finding.value) << ", limit " << number(finding.limit) << " (" << finding.where << ")\n";
  }
  out << count_ << " checks, " << failures_.size() << " failed\n";
  return out.str();
}

}  // namespace moe::cuda::checking
