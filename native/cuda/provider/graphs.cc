#include "cuda/provider/graphs.h"

#include <algorithm>
#include <tuple>

namespace moe::cuda {
namespace {

auto key(const RunShape& shape) { return std::tie(shape.tokens, shape.path, shape.kernel, shape.tile_m, shape.tile_n, shape.taps, shape.deterministic); }

}  // namespace

std::mutex& capture_lock() {
  static std::mutex lock;
  return lock;
}

void EventMarks::start(Stream stream) { record("", stream); }

void EventMarks::after(const char* stage, cudaStream_t stream) { record(stage, stream); }

void EventMarks::record(const char* stage, Stream stream) {
  marks_.emplace_back(stage, make_event(runtime_));
  check(runtime_, runtime_.record(marks_.back().second.get(), stream, in_graph_), "recording an event");
}

std::vector<std::pair<std::string, double>> EventMarks::times() const {
  std::vector<std::pair<std::string, double>> out;
  for (size_t i = 1; i < marks_.size(); ++i) {
    double microseconds = 0;
    check(runtime_, runtime_.elapsed_microseconds(&microseconds, marks_[i - 1].second.get(), marks_[i].second.get()), "reading stage times");
    const auto same = std::find_if(out.begin(), out.end(), [&](const auto& entry) { return entry.first == marks_[i].first; });
    if (same == out.end()) {
      out.emplace_back(marks_[i].first, microseconds);
    } else {
      same->second += microseconds;
    }
  }
  return out;
}

ShapeGraphs* GraphCache::find(const RunShape& shape) {
  const auto found = std::find_if(graphs_.begin(), graphs_.end(), [&](const ShapeGraphs& entry) { return key(entry.shape) == key(shape); });
  if (found == graphs_.end()) return nullptr;
  graphs_.splice(graphs_.begin(), graphs_, found);
  return &graphs_.front();
}

ShapeGraphs& GraphCache::insert(ShapeGraphs graphs) {
  if (graphs_.size() >= kMost) graphs_.pop_back();
  graphs_.push_front(std::move(graphs));
  return graphs_.front();
}

}  // namespace moe::cuda
