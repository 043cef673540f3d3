#include "core/dispatch/decision.h"

#include <ostream>

namespace moe {

namespace {
std::ostream& print(std::ostream& out, const StepValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return out << *number;
  if (const auto* text = std::get_if<std::string>(&value)) return out << *text;
  return out << (std::get<bool>(value) ? "true" : "false");
}
}  // namespace

const char* path_name(moe_path path) {
  switch (path) {
    case MOE_PATH_B12X: return "b12x";
    case MOE_PATH_CUTLASS: return "cutlass";
    case MOE_PATH_REFERENCE: return "reference";
  }
  return "unknown";
}

const char* kernel_name(moe_kernel kernel) {
  switch (kernel) {
    case MOE_KERNEL_DIRECT_MICRO: return "direct-micro";
    case MOE_KERNEL_MICRO: return "micro";
    case MOE_KERNEL_STATIC: return "static";
    case MOE_KERNEL_DYNAMIC: return "dynamic";
    case MOE_KERNEL_CUTLASS: return "cutlass";
    case MOE_KERNEL_REFERENCE: return "reference";
  }
  return "unknown";
}

std::ostream& operator<<(std::ostream& out, const DecisionStep& step) {
  out << step.name << ": ";
  print(out, step.value) << ' ' << step.comparison << ' ';
  print(out, step.limit);
  if (!step.unit.empty()) out << ' ' << step.unit;
  return out << (step.outcome ? " yes -> " : " no -> ") << step.leads << " (" << step.origin.kind << ' ' << step.origin.where
             << ')';
}

std::ostream& operator<<(std::ostream& out, const Decision& decision) {
  out << "Decision(path=" << path_name(decision.path) << ", kernel=" << kernel_name(decision.kernel)
      << ", tile=" << decision.tile_m << 'x' << decision.tile_n << ", tokens=" << decision.tokens
      << ", routed_pairs=" << decision.routed_pairs << ", threshold=" << decision.threshold << ", rules=" << decision.rules
      << ")\n";
  for (const DecisionStep& step : decision.steps) out << "  " << step << '\n';
  return out;
}

}  // namespace moe
