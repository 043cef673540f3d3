// What both sides of the CPU comparison do alike: shape, routing, cold caches, clock, and the line they print.
// Header only and without our own library, because the ggml side is built apart from it.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

namespace moe::bench {

/// splitmix64 (Steele, Lea, Flood 2014): small, and the same on both sides.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15ULL;
    z = (z ^ z >> 30U) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27U) * 0x94D049BB133111EBULL;
    return z ^ z >> 31U;
  }
  /// [0, limit)
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>((next() >> 32U) * limit >> 32U); }
  /// [-1, 1)
  float uniform() { return static_cast<float>(next() >> 40U) * 0x1p-23F - 1.0F; }
  /// Random bytes; each is `mask`ed and `base` added.
  void fill(uint8_t* out, uint64_t bytes, uint8_t mask = 255, uint8_t base = 0) {
    for (uint64_t i = 0; i < bytes; i += 8) {
      const uint64_t word = next();
      for (uint64_t j = i; j < std::min(bytes, i + 8); ++j) out[j] = static_cast<uint8_t>((word >> (8 * (j - i)) & mask) + base);
    }
  }

 private:
  uint64_t state_;
};

struct Options {
  int hidden = 2048, intermediate = 768, experts = 128, top_k = 8, tokens = 1, runs = 10, warmup = 2, threads = 0;
  std::string kind;  ///< what to run: a kernel of ours, or a ggml type

  /// `--name value` pairs. Exits with a message for a name that is not known.
  static Options parse(int argc, char** argv) {
    Options out;
    for (int i = 1; i + 1 < argc; i += 2) {
      const std::string name = argv[i];
      const int value = std::atoi(argv[i + 1]);
      if (name == "--hidden") out.hidden = value;
      else if (name == "--intermediate") out.intermediate = value;
      else if (name == "--experts") out.experts = value;
      else if (name == "--top-k") out.top_k = value;
      else if (name == "--tokens") out.tokens = value;
      else if (name == "--runs") out.runs = value;
      else if (name == "--warmup") out.warmup = value;
      else if (name == "--threads") out.threads = value;
      else if (name == "--kind") out.kind = argv[i + 1];
      else {
        std::fprintf(stderr, "unknown option %s\n", argv[i]);
        std::exit(2);
      }
    }
    if (out.threads <= 0) out.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    return out;
  }
};

/// Uniform routing: top_k different experts a token, [tokens, top_k].
inline std::vector<int32_t> route(const Options& options, uint64_t seed) {
  Random random(seed);
  std::vector<int32_t> ids, order(options.experts);
  for (int token = 0; token < options.tokens; ++token) {
    for (int e = 0; e < options.experts; ++e) order[e] = e;
    for (int slot = 0; slot < options.top_k; ++slot) {
      std::swap(order[slot], order[slot + random.below(options.experts - slot)]);
      ids.push_back(order[slot]);
    }
  }
  return ids;
}

inline int unique_experts(std::vector<int32_t> ids) {
  std::sort(ids.begin(), ids.end());
  return static_cast<int>(std::unique(ids.begin(), ids.end()) - ids.begin());
}

/// Reads `bytes` bytes with `threads` threads. @returns microseconds
inline double read_all(const uint8_t* data, uint64_t bytes, int threads) {
  std::atomic<int> ready{0};
  std::atomic<uint64_t> sum{0};
  std::chrono::steady_clock::time_point start;
  const auto work = [&](int thread) {
    if (++ready == threads) start = std::chrono::steady_clock::now();
    while (ready.load() < threads) {
    }
    const uint64_t share = bytes / 64 / threads * 64;
    const auto* words = reinterpret_cast<const uint64_t*>(data + share * thread);
    uint64_t lanes[8] = {};
    for (uint64_t i = 0; i + 8 <= share / 8; i += 8) {
      for (int lane = 0; lane < 8; ++lane) lanes[lane] += words[i + lane];
    }
    for (const uint64_t lane : lanes) sum += lane;
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; ++thread) others.emplace_back(work, thread);
  work(0);
  for (std::thread& other : others) other.join();
  const double elapsed = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
  volatile uint64_t keep = sum.load();
  (void)keep;
  return elapsed;
}

/// Empties the caches of weights: reads more than any last-level cache here holds.
class ColdCaches {
 public:
  explicit ColdCaches(int threads) : memory_(uint64_t{192} << 20U, 1), threads_(threads) {}
  void make() const { read_all(memory_.data(), memory_.size(), threads_); }

 private:
  std::vector<uint8_t> memory_;
  int threads_;
};

/// Processor time of all threads, microseconds: tells work from waiting on a busy machine.
inline double processor_us() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

/// Runs `body(ids)` on fresh routing each time, caches cold before each, and prints one JSON line with every time.
template <class Body>
void measure(const Options& options, const char* name, Body&& body) {
  const ColdCaches cold(options.threads);
  std::string times, processor, unique;
  for (int run = -options.warmup; run < options.runs; ++run) {
    const std::vector<int32_t> ids = route(options, static_cast<uint64_t>(1000 + run));
    cold.make();
    const double used = processor_us();
    const auto start = std::chrono::steady_clock::now();
    body(ids);
    const double us = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    if (run < 0) continue;
    times += (times.empty() ? "" : ",") + std::to_string(us);
    processor += (processor.empty() ? "" : ",") + std::to_string(processor_us() - used);
    unique += (unique.empty() ? "" : ",") + std::to_string(unique_experts(ids));
  }
  std::printf("{\"name\":\"%s\",\"kind\":\"%s\",\"tokens\":%d,\"threads\":%d,\"us\":[%s],\"processor_us\":[%s],\"unique_experts\":[%s]}\n", name,
              options.kind.c_str(), options.tokens, options.threads, times.c_str(), processor.c_str(), unique.c_str());
}

}  // namespace moe::bench
