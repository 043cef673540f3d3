// Writes each evaluated rule into the decision's chain and gives back its outcome, so that no rule can be taken
// without being shown.
#pragma once

#include <string>
#include <vector>

#include "core/dispatch/decision.h"

namespace moe {

/// What a rule leads to when it holds and when it does not.
struct Leads {
  std::string yes;
  std::string no;
};

class Chain {
 public:
  Chain(const DecideRequest& request, std::vector<DecisionStep>& steps) : request_(request), steps_(steps) {}

  bool at_least(std::string name, int value, int limit, std::string unit, Leads leads, Origin origin) {
    return add(std::move(name), value, ">=", limit, std::move(unit), value >= limit, leads, std::move(origin));
  }
  bool greater(std::string name, int value, int limit, std::string unit, Leads leads, Origin origin) {
    return add(std::move(name), value, ">", limit, std::move(unit), value > limit, leads, std::move(origin));
  }
  bool at_most(std::string name, int value, int limit, std::string unit, Leads leads, Origin origin) {
    return add(std::move(name), value, "<=", limit, std::move(unit), value <= limit, leads, std::move(origin));
  }
  bool below(std::string name, int value, int limit, std::string unit, Leads leads, Origin origin) {
    return add(std::move(name), value, "<", limit, std::move(unit), value < limit, leads, std::move(origin));
  }
  bool equal(std::string name, int value, int limit, std::string unit, Leads leads, Origin origin) {
    return add(std::move(name), value, "==", limit, std::move(unit), value == limit, leads, std::move(origin));
  }
  bool is(std::string name, std::string value, std::string limit, std::string unit, Leads leads, Origin origin) {
    const bool outcome = value == limit;
    return add_text(std::move(name), std::move(value), "is", std::move(limit), std::move(unit), outcome,
                    outcome ? leads.yes : leads.no, std::move(origin));
  }
  bool is_not(std::string name, std::string value, std::string limit, std::string unit, std::string leads, Origin origin) {
    const bool outcome = value != limit;
    return add_text(std::move(name), std::move(value), "!=", std::move(limit), std::move(unit), outcome, std::move(leads),
                    std::move(origin));
  }

  /// Origin given by the caller for `key`, else `fallback`.
  Origin origin(const std::string& key, Origin fallback) const {
    const auto found = request_.origins.find(key);
    return found == request_.origins.end() ? fallback : found->second;
  }
  /// Origin of a limit; without an override it is a constant of the rule file.
  Origin limit_origin(const std::string& key) const { return origin(key, {"constant", request_.limits.id}); }

 private:
  bool add(std::string name, int value, const char* comparison, int limit, std::string unit, bool outcome, const Leads& leads,
           Origin origin) {
    steps_.push_back({std::move(name), static_cast<double>(value), comparison, static_cast<double>(limit), std::move(unit), outcome,
                      outcome ? leads.yes : leads.no, std::move(origin)});
    return outcome;
  }
  bool add_text(std::string name, std::string value, const char* comparison, std::string limit, std::string unit, bool outcome,
                std::string leads, Origin origin) {
    steps_.push_back({std::move(name), std::move(value), comparison, std::move(limit), std::move(unit), outcome, std::move(leads),
                      std::move(origin)});
    return outcome;
  }

  const DecideRequest& request_;
  std::vector<DecisionStep>& steps_;
};

}  // namespace moe
