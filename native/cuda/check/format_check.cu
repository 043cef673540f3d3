#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/formats/bf16.h"
#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/random/philox.h"
#include "cuda/check/device_buffer.h"
#include "cuda/check/mma_check.h"
#include "cuda/check/near_ties.h"
#include "cuda/kernels/quantize.cuh"

namespace moe::cuda::checking {
namespace {

/// All of a width: without padding, which nobody would write.
struct Encoded {
  uint16_t e4m3, e2m1, e2m1_software, bf16;
};

__global__ void encode(const float* values, int count, Encoded* out) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= count) return;
  const float x = values[i];
  out[i] = {e4m3_encode(x), static_cast<uint16_t>(e2m1x2_encode(x, 0.0F)), static_cast<uint16_t>(e2m1_encode_software(x)), bf16_encode(x)};
}

struct Decoded {
  float e4m3[256];
  uint32_t halves[65536 / 4];   ///< of codes i, four at a time
};

__global__ void decode(Decoded* out) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < 256) out->e4m3[i] = e4m3_decode(static_cast<uint8_t>(i));
  if (i < 65536 / 4) out->halves[i] = e2m1x4_halves(static_cast<uint32_t>(4 * i + i % 4));
}

struct Job {
  float x[kBlock];
  float scale;
};

struct Result {
  alignas(4) uint8_t codes[8];
  uint32_t sf;
};

__global__ void quantize(BlockQuantizer quantizer, const Job* jobs, int count, Result* out) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= count) return;
  const Fp4Block block = quantize_block(quantizer, jobs[i].x, jobs[i].scale);
  *reinterpret_cast<uint32_t*>(out[i].codes) = block.codes.x;
  *reinterpret_cast<uint32_t*>(out[i].codes + 4) = block.codes.y;
  out[i].sf = block.sf;
}

constexpr int kThreads = 256;
/// Of random values; most random blocks have none.
constexpr double kNearTies = 1e-3;
unsigned blocks_for(size_t count) { return static_cast<unsigned>((count + kThreads - 1) / kThreads); }

float from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

uint32_t random_word(uint32_t index, uint64_t key) { return moe::philox({index, 0, 0, 0}, key)[0]; }

void check_encoders(bool quick, Findings& findings) {
  // Every sign, exponent and top eleven fraction bits, with the low bits all zero, one or all one: all ties and their neighbours.
  std::vector<float> values;
  for (uint32_t top = 0; top < (1U << 20U); top += quick ? 97 : 1) {
    for (const uint32_t low : {0U, 1U, 0xFFFU}) values.push_back(from_bits(top << 12U | low));
  }
  const DeviceBuffer<float> input(values);
  const DeviceBuffer<Encoded> output(values.size());
  encode<<<blocks_for(values.size()), kThreads>>>(input.get(), static_cast<int>(values.size()), output.get());
  check_launch("encoders");
  const std::vector<Encoded> encoded = output.download();
  int64_t e4m3 = 0;
  int64_t e2m1 = 0;
  int64_t bf16 = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const float x = values[i];
    e4m3 += std::isnan(x) ? (encoded[i].e4m3 & 0x7FU) != 0x7FU : encoded[i].e4m3 != moe::e4m3_encode(x);
    e2m1 += encoded[i].e2m1 != moe::e2m1_encode(x) || encoded[i].e2m1_software != moe::e2m1_encode(x);
    bf16 += std::isnan(x) ? (encoded[i].bf16 & 0x7FFFU) <= 0x7F80U : encoded[i].bf16 != moe::bf16_encode(x);
  }
  const std::string where = std::to_string(values.size()) + " values";
  findings.add({"formats", "E4M3 encodings that differ", where, static_cast<double>(e4m3), 0});
  findings.add({"formats", "E2M1 encodings that differ", where, static_cast<double>(e2m1), 0});
  findings.add({"formats", "bf16 encodings that differ", where, static_cast<double>(bf16), 0});
}

void check_decoders(Findings& findings) {
  const DeviceBuffer<Decoded> output(1);
  decode<<<blocks_for(65536 / 4), kThreads>>>(output.get());
  check_launch("decoders");
  const Decoded decoded = output.download()[0];
  int64_t wrong = 0;
  for (int i = 0; i < 256; ++i) {
    const float expected = moe::e4m3_decode(static_cast<uint8_t>(i));
    wrong += std::isnan(expected) ? !std::isnan(decoded.e4m3[i]) : decoded.e4m3[i] != expected;
  }
  findings.add({"formats", "E4M3 decodings that differ", "256 bytes", static_cast<double>(wrong), 0});
  wrong = 0;
  for (int i = 0; i < 65536 / 4; ++i) {
    const int codes = 4 * i + i % 4;
    for (int j = 0; j < 4; ++j) wrong += static_cast<int8_t>(decoded.halves[i] >> (8 * j)) != moe::kE2m1Halves[static_cast<size_t>(codes >> (4 * j) & 15)];
  }
  findings.add({"formats", "E2M1 decodings that differ", "16384 words of four", static_cast<double>(wrong), 0});
}

/// Random blocks over many magnitudes, zero blocks, tiny ones, infinities and NaN.
std::vector<Job> make_jobs(bool quick) {
  std::vector<Job> out(quick ? 2000 : 200000);
  for (uint32_t b = 0; b < out.size(); ++b) {
    const int exponent = static_cast<int>(random_word(b, 7) % 24U) - 12;
    for (uint32_t i = 0; i < kBlock; ++i) {
      const float value = static_cast<float>(static_cast<int32_t>(random_word(b * kBlock + i, 8))) * std::ldexp(1.0F, exponent - 31);
      out[b].x[i] = b % 50 == 0 ? (i % 3 == 0 ? -0.0F : 0.0F) : b % 50 == 1 ? value * 1e-9F : moe::bf16_round(value);
    }
    if (b % 50 == 2) out[b].x[b % 16] = INFINITY;
    if (b % 50 == 3) out[b].x[b % 16] = NAN;
    out[b].scale = 0.5F * std::ldexp(1.0F + static_cast<float>(random_word(b, 9) & 0xFFFFU) / 65536.0F, static_cast<int>(random_word(b, 10) % 12U) - 8);
    if (b % 1000 == 4) out[b].scale = 0.0F;
  }
  return out;
}

void check_quantizer(const char* name, BlockQuantizer device, const HostQuantizer& host, const std::vector<Job>& jobs, Findings& findings) {
  std::vector<Job> work = jobs;
  if (device == BlockQuantizer::kCutlassFast) {  // takes the large form
    for (Job& job : work) job.scale = job.scale == 0.0F ? 1.0F : 1.0F / job.scale;
  }
  const DeviceBuffer<Job> input(work);
  const DeviceBuffer<Result> output(work.size());
  quantize<<<blocks_for(work.size()), kThreads>>>(device, input.get(), static_cast<int>(work.size()), output.get());
  check_launch("quantizers");
  const std::vector<Result> results = output.download();
  BlockDifferences sum;
  for (size_t b = 0; b < work.size(); ++b) {
    const BlockDifferences one = compare_block(host, work[b].x, work[b].scale, results[b].codes, static_cast<uint8_t>(results[b].sf));
    sum.codes += one.codes;
    sum.wrong += one.wrong;
  }
  const std::string where = std::to_string(work.size()) + " blocks";
  findings.add({"formats", std::string(name) + ": codes and scales that no near tie explains", where, static_cast<double>(sum.wrong), 0});
  findings.add({"formats", std::string(name) + ": share of codes at near ties", where, static_cast<double>(sum.codes) / static_cast<double>(work.size() * kBlock), host.exact ? 0 : kNearTies});
}

}  // namespace

void check_formats(bool quick, Findings& findings) {
  check_encoders(quick, findings);
  check_decoders(findings);
  const std::vector<Job> jobs = make_jobs(quick);
  check_quantizer("b12x exact", BlockQuantizer::kB12xExact, {moe::Quantizer::kB12xExact, false, true}, jobs, findings);
  check_quantizer("direct micro", BlockQuantizer::kDirectMicro, {moe::Quantizer::kDirectMicro, false, true}, jobs, findings);
  check_quantizer("b12x fast", BlockQuantizer::kB12xFast, {moe::Quantizer::kB12xFast, false, false}, jobs, findings);
  check_quantizer("CUTLASS fast", BlockQuantizer::kCutlassFast, {moe::Quantizer::kCutlassFast, false, false}, jobs, findings);
}

}  // namespace moe::cuda::checking
