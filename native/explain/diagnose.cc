#include "explain/diagnose.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace moe::explain {
namespace {

using Deviations = std::vector<Deviation>;

constexpr size_t kMostPerSegment = 3;
/// How far above its own order noise a model may lie and still count as the whole explanation.
constexpr double kFloorMargin = 1.5;

/// The stage whose result a deviation changes first.
Stage stage_of(const Deviation& deviation) {
  const bool first = deviation.site == 0;
  switch (deviation.cause) {
    case Cause::kUnitActivationScale:
    case Cause::kRequantization:
    case Cause::kReciprocalApproximation:
    case Cause::kDividerMultiplier: return first ? Stage::kX : Stage::kActQ;
    case Cause::kBf16BetweenStages: return !first ? Stage::kFc2 : deviation.variant == 0 ? Stage::kFc1 : Stage::kAct;
    case Cause::kAccumulationOrder:
    case Cause::kRouterWeightRounding: return Stage::kY;
    default: return first ? Stage::kFc1 : Stage::kFc2;
  }
}

Spec with_all(Spec spec, const Deviations& deviations) {
  for (const Deviation& deviation : deviations) spec = deviate(spec, deviation);
  return spec;
}

Deviations joined(const Deviations& a, const Deviations& b) {
  Deviations out = a;
  out.insert(out.end(), b.begin(), b.end());
  return out;
}

/// Two deviations of one field: the second would undo or overwrite the first.
bool clash(const Spec& spec, const Deviations& a, const Deviations& b) {
  const Spec both = with_all(spec, joined(a, b));
  return both == with_all(spec, a) || both == with_all(spec, b) || both == spec || both != with_all(spec, joined(b, a));
}

struct Trial {
  Deviations deviations;
  Misfit misfit;
};

class Search {
 public:
  Search(const Segment& segment, Spec spec, std::vector<Deviations> candidates, const Task& task)
      : segment_(segment), spec_(std::move(spec)), candidates_(std::move(candidates)), task_(task), none_{{}, segment.fit(spec_)} {}

  Trial best() {
    if (none_.misfit.mismatched == 0 && !(segment_.end() == Stage::kY && segment_.exact())) return none_;
    Trial chosen = none_;
    Trial grown = best_with({}, none_);
    if (gains(grown, chosen)) chosen = grown;
    for (size_t size = 2; size <= kMostPerSegment && !explains(chosen); ++size) {
      grown = size == 2 && segment_.exact() ? best_pair() : best_with(grown.deviations, grown);
      if (gains(grown, chosen)) chosen = grown;
    }
    return chosen;
  }

  /// Deviations that could stand in for a member of `chosen`: those that explain exactly as much, and those that explain less
  /// by no more than order noise may be.
  struct StandIns {
    Deviations equal, near;
  };
  StandIns stand_ins(const Trial& chosen, const Deviation& member) const {
    Deviations others = chosen.deviations;
    std::erase(others, member);
    StandIns out;
    for (const Deviations& candidate : candidates_) {
      if (candidate.size() != 1 || candidate.front() == member || clash_with(others, candidate)) continue;
      const double loss = fit(joined(others, candidate)).nats - chosen.misfit.nats;
      if (loss <= 0) out.equal.push_back(candidate.front());
      else if (loss < segment_.least_gain()) out.near.push_back(candidate.front());
    }
    return out;
  }

  const Misfit& without_any() const { return none_.misfit; }
  Misfit fit(const Deviations& deviations) const {
    task_.check();
    return segment_.fit(with_all(spec_, deviations));
  }

 private:
  bool clash_with(const Deviations& others, const Deviations& candidate) const { return !others.empty() && clash(spec_, others, candidate); }
  bool gains(const Trial& larger, const Trial& smaller) const { return larger.misfit.nats + segment_.least_gain() < smaller.misfit.nats; }
  bool explains(const Trial& trial) const {
    const Misfit& floor = segment_.floor();
    if (!segment_.exact()) return trial.misfit.nats <= floor.nats + segment_.least_gain();
    return trial.misfit.nats <= kFloorMargin * floor.nats + segment_.least_gain();
  }

  /// `base` and the candidate that fits best beside it.
  Trial best_with(const Deviations& base, const Trial& otherwise) const {
    std::optional<Trial> best;
    for (const Deviations& candidate : candidates_) {
      if (clash_with(base, candidate)) continue;
      Trial trial{joined(base, candidate), {}};
      trial.misfit = fit(trial.deviations);
      if (!best || trial.misfit.nats < best->misfit.nats) best = std::move(trial);
    }
    return best.value_or(otherwise);
  }

  Trial best_pair() const {
    Trial best = none_;
    for (size_t i = 0; i < candidates_.size(); ++i) {
      for (size_t j = i + 1; j < candidates_.size(); ++j) {
        if (clash(spec_, candidates_[i], candidates_[j])) continue;
        Trial trial{joined(candidates_[i], candidates_[j]), {}};
        trial.misfit = fit(trial.deviations);
        if (trial.misfit.nats < best.misfit.nats) best = std::move(trial);
      }
    }
    return best;
  }

  const Segment& segment_;
  const Spec spec_;
  const std::vector<Deviations> candidates_;
  const Task& task_;
  const Trial none_;
};

/// Deviations whose stage lies in (after, until]; where both GEMMs lie in the segment, the same cause at both is one more
/// candidate.
std::vector<Deviations> candidates_of(const Spec& spec, const LayerShape& shape, int after, const Segment& segment) {
  const Stage until = segment.end();
  std::vector<Deviations> out;
  Deviations all;
  for (const Deviation& deviation : deviations_of(spec, shape)) {
    // One fp32 sum lies in the middle of all orders of bf16 additions: by distance it always looks nearer than one drawn order.
    if (!segment.exact() && spec.adds_bf16 && deviation.cause == Cause::kAccumulationOrder) continue;
    const int stage = static_cast<int>(stage_of(deviation));
    if (stage > after && stage <= static_cast<int>(until)) all.push_back(deviation);
  }
  // Of equal candidates the first is taken: fast math is the default of the kernels, IEEE divisions and another family are options.
  std::stable_partition(all.begin(), all.end(), [](const Deviation& deviation) { return deviation.cause != Cause::kRequantization; });
  for (const Deviation& deviation : all) out.push_back({deviation});
  for (const Deviation& first : all) {
    for (const Deviation& second : all) {
      if (first.site == 0 && second.site == 1 && first.cause == second.cause && first.variant == second.variant) out.push_back({first, second});
    }
  }
  return out;
}

/// A named deviation, and what could stand in for it.
struct Ranked {
  NamedDeviation named;
  Search::StandIns stand_ins;
};

void take(Ranked& one, Deviations::iterator equal) { std::swap(*equal, one.named.deviation); }

/// A kernel quantizes both inputs in one way: where what was seen at the two GEMMs allows one form of one cause, that is it.
void prefer_one_form(std::vector<Ranked>& ranked) {
  const auto find = [](Ranked& one, const Deviation& other) {
    const auto same = [&](const Deviation& mine) { return mine.cause == other.cause && mine.variant == other.variant && mine.site != other.site; };
    return std::find_if(one.stand_ins.equal.begin(), one.stand_ins.equal.end(), same);
  };
  const auto one_form = [](const Deviation& a, const Deviation& b) { return a.cause == b.cause && a.variant == b.variant && a.site != b.site; };
  for (size_t i = 0; i < ranked.size(); ++i) {
    for (size_t j = i + 1; j < ranked.size(); ++j) {
      Ranked& a = ranked[i];
      Ranked& b = ranked[j];
      if (a.named.stage == b.named.stage || one_form(a.named.deviation, b.named.deviation)) continue;
      if (const auto in_b = find(b, a.named.deviation); in_b != b.stand_ins.equal.end()) take(b, in_b);
      else if (const auto in_a = find(a, b.named.deviation); in_a != a.stand_ins.equal.end()) take(a, in_a);
      else {
        for (auto other = a.stand_ins.equal.begin(); other != a.stand_ins.equal.end(); ++other) {
          const auto match = find(b, *other);
          if (match == b.stand_ins.equal.end()) continue;
          take(b, match);
          take(a, other);
          break;
        }
      }
    }
  }
}

/// One cause at two places is likelier than two causes that look alike.
void prefer_causes_named_elsewhere(std::vector<Ranked>& ranked) {
  const auto elsewhere = [&](const Ranked& one, Cause cause) {
    return std::any_of(ranked.begin(), ranked.end(), [&](const Ranked& other) { return &other != &one && other.named.deviation.cause == cause; });
  };
  for (Ranked& one : ranked) {
    if (elsewhere(one, one.named.deviation.cause)) continue;
    Deviations& equal = one.stand_ins.equal;
    const auto better = std::find_if(equal.begin(), equal.end(), [&](const Deviation& other) { return elsewhere(one, other.cause); });
    if (better != equal.end()) take(one, better);
  }
}

NamedDeviation with_alternatives(Ranked one) {
  one.named.alternatives = joined(one.stand_ins.equal, one.stand_ins.near);
  std::erase_if(one.named.alternatives, [&](const Deviation& other) { return other.cause == one.named.deviation.cause; });
  return std::move(one.named);
}

}  // namespace

Diagnosis diagnose(const Model& model, const RunInput& input, const Spec& documented, const Observation& observation, uint64_t seed, const Task& task) {
  model.check(input);
  Diagnosis out;
  std::vector<Ranked> ranked;
  Spec spec = documented;
  int after = -1;  // stages up to here are explained by earlier segments
  for (Segment& segment : segments_of(model, input, observation, seed)) {
    task.check();
    segment.calibrate(spec);
    Search search(segment, spec, candidates_of(spec, model.shape(), after, segment), task);
    const Trial chosen = search.best();
    const double whole = search.without_any().nats;
    for (const Deviation& deviation : chosen.deviations) {
      Deviations others = chosen.deviations;
      std::erase(others, deviation);
      const double gain = search.fit(others).nats - chosen.misfit.nats;
      const double explained = segment.exact() ? std::min(1.0, gain / whole) : 1.0 - std::exp(-2 * gain / static_cast<double>(chosen.misfit.compared));
      Search::StandIns stand_ins = search.stand_ins(chosen, deviation);
      ranked.push_back({{deviation, {}, segment.end(), gain, explained}, std::move(stand_ins)});
    }
    out.segments.push_back({segment.end(), chosen.misfit.compared, search.without_any().share(), chosen.misfit.share(), segment.floor().share()});
    spec = with_all(spec, chosen.deviations);
    after = static_cast<int>(segment.end());
  }
  prefer_one_form(ranked);
  prefer_causes_named_elsewhere(ranked);
  for (Ranked& one : ranked) out.deviations.push_back(with_alternatives(std::move(one)));
  std::stable_sort(out.deviations.begin(), out.deviations.end(), [](const NamedDeviation& a, const NamedDeviation& b) { return a.gain > b.gain; });
  return out;
}

}  // namespace moe::explain
