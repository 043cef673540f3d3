#include "cuda/check/mma_check.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/random/philox.h"
#include "cuda/b12x/mma_nvfp4.cuh"
#include "cuda/check/device_buffer.h"

namespace moe::cuda::checking {
namespace {

/// One product as matrices: codes A [16][64], B [8][64] (column, k), scales [16][4] and [8][4], C [16][8].
struct Product {
  uint8_t a[16][64], b[8][64], sfa[16][4], sfb[8][4];
  float c[16][8];
};

/// The same as a warp holds it, by mma_nvfp4.cuh's table; lanes that the selectors do not name hold other scales.
struct Fragments {
  uint32_t a[32][4], b[32][2], sfa[32], sfb[32];
  float d[32][4];
};

uint32_t word_of(const uint8_t* codes) {
  uint32_t word = 0;
  for (int i = 0; i < 8; ++i) word |= static_cast<uint32_t>(codes[i]) << (4 * i);
  return word;
}

Fragments to_fragments(const Product& in, int select_a, int select_b) {
  Fragments out;
  std::memset(&out, 0x38, sizeof out);  // scales of 1 where no selector looks
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane / 4;
    const int q = lane % 4;
    for (int i = 0; i < 4; ++i) {
      out.a[lane][i] = word_of(&in.a[g + 8 * (i % 2)][32 * (i / 2) + 8 * q]);
      out.d[lane][i] = in.c[g + 8 * (i / 2)][2 * q + i % 2];
    }
    for (int i = 0; i < 2; ++i) out.b[lane][i] = word_of(&in.b[g][32 * i + 8 * q]);
  }
  for (int row = 0; row < 16; ++row) std::memcpy(&out.sfa[4 * (row % 8) + 2 * select_a + row / 8], in.sfa[row], 4);
  for (int column = 0; column < 8; ++column) std::memcpy(&out.sfb[4 * column + select_b], in.sfb[column], 4);
  return out;
}

/// Unit 2^-20: (2 * value) * (2 * value) * scale * scale / 4 with scales in units of 2^-9.
int64_t block_units(const Product& in, int row, int column, int block) {
  int64_t dot = 0;
  for (int k = 16 * block; k < 16 * block + 16; ++k) dot += static_cast<int64_t>(moe::kE2m1Halves[in.a[row][k]]) * moe::kE2m1Halves[in.b[column][k]];
  const auto units = [](uint8_t byte) { return std::llround(static_cast<double>(moe::e4m3_decode(byte)) * 512.0); };
  return dot * units(in.sfa[row][block]) * units(in.sfb[column][block]);
}

constexpr double kUnit = 1.0 / (1 << 20);

template <class Mma, int kSelectA, int kSelectB>
__global__ void run_products(Fragments* fragments, int count) {
  const int index = static_cast<int>(blockIdx.x * (blockDim.x / 32U) + threadIdx.x / 32U);
  if (index >= count) return;
  const int lane = static_cast<int>(threadIdx.x % 32U);
  Fragments& all = fragments[index];
  Mma::template run<kSelectA, kSelectB>(all.d[lane], all.a[lane], all.b[lane], all.sfa[lane], all.sfb[lane]);
}

template <class Mma, int kSelectA, int kSelectB>
std::vector<Fragments> run(const std::vector<Product>& products) {
  std::vector<Fragments> fragments;
  for (const Product& one : products) fragments.push_back(to_fragments(one, kSelectA, kSelectB));
  const DeviceBuffer<Fragments> device(fragments);
  run_products<Mma, kSelectA, kSelectB><<<static_cast<unsigned>((products.size() + 3) / 4), 128>>>(device.get(), static_cast<int>(products.size()));
  check_launch("the MMA by itself");
  return device.download();
}

struct Random {
  uint64_t key;
  uint64_t next = 0;
  uint32_t word() {
    ++next;
    return moe::philox({static_cast<uint32_t>(next), static_cast<uint32_t>(next >> 32U), 1, 2}, key)[0];
  }
};

/// Any codes, any scales but NaN, C zero or a few powers of two away from the terms.
Product random_product(Random& random, bool with_c) {
  Product out;
  for (auto& row : out.a) for (uint8_t& code : row) code = random.word() & 15U;
  for (auto& row : out.b) for (uint8_t& code : row) code = random.word() & 15U;
  for (auto& row : out.sfa) for (uint8_t& byte : row) byte = static_cast<uint8_t>(random.word() % 0x7FU);
  for (auto& row : out.sfb) for (uint8_t& byte : row) byte = static_cast<uint8_t>(random.word() % 0x7FU);
  for (auto& row : out.c) for (float& value : row) value = with_c ? static_cast<float>(static_cast<int32_t>(random.word())) * 1e-6F : 0.0F;
  return out;
}

/// Products with one live block: all 256 pairs of codes at each of the 64 positions, and all 127 x 127 pairs of scales.
std::vector<Product> single_block_products(Random& random) {
  std::vector<Product> out;
  for (int k = 0; k < 64; ++k) {
    Product one{};
    for (int row = 0; row < 16; ++row) {
      for (int i = 0; i < 4; ++i) one.sfa[row][i] = 0x38;
      one.a[row][k] = static_cast<uint8_t>(row);  // all 16 codes over the rows, over the columns in two halves
    }
    for (int half = 0; half < 2; ++half) {
      for (int column = 0; column < 8; ++column) {
        for (int i = 0; i < 4; ++i) one.sfb[column][i] = 0x38;
        one.b[column][k] = static_cast<uint8_t>(8 * half + column);
      }
      out.push_back(one);
    }
  }
  for (int high = 0; high < 127; high += 16) {
    for (int low = 0; low < 127; low += 8) {
      Product one = random_product(random, false);
      const int live = static_cast<int>(random.word() % 4U);
      for (int row = 0; row < 16; ++row) {
        for (int i = 0; i < 4; ++i) one.sfa[row][i] = i == live ? static_cast<uint8_t>(std::min(high + row, 126)) : 0;
      }
      for (int column = 0; column < 8; ++column) one.sfb[column][live] = static_cast<uint8_t>(std::min(low + column, 126));
      out.push_back(one);
    }
  }
  return out;
}

template <class Check>
void for_elements(const std::vector<Product>& products, const std::vector<Fragments>& results, const Check& check) {
  for (size_t p = 0; p < products.size(); ++p) {
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < 4; ++i) check(products[p], lane / 4 + 8 * (i / 2), 2 * (lane % 4) + i % 2, results[p].d[lane][i]);
    }
  }
}

template <class Mma, int kSelectA, int kSelectB>
void check_body(const std::string& body, bool documented_order, const std::vector<Product>& single, const std::vector<Product>& full, Findings& findings) {
  const std::string where = body + ", selectors " + std::to_string(kSelectA) + " and " + std::to_string(kSelectB);
  int64_t wrong = 0;
  for_elements(single, run<Mma, kSelectA, kSelectB>(single), [&](const Product& one, int row, int column, float d) {
    int64_t units = 0;
    for (int block = 0; block < 4; ++block) units += block_units(one, row, column, block);
    wrong += static_cast<double>(d) == static_cast<double>(units) * kUnit ? 0 : 1;
  });
  findings.add({"mma", body + ": block dots that are not exact", where, static_cast<double>(wrong), 0});

  int64_t out_of_order = 0;
  double worst = 0;
  for_elements(full, run<Mma, kSelectA, kSelectB>(full), [&](const Product& one, int row, int column, float d) {
    float ordered = one.c[row][column];
    double exact = static_cast<double>(ordered);
    double size = std::fabs(exact);
    for (int block = 0; block < 4; ++block) {
      const double term = static_cast<double>(block_units(one, row, column, block)) * kUnit;
      ordered += static_cast<float>(term);
      exact += term;
      size += std::fabs(term);
    }
    out_of_order += d == ordered ? 0 : 1;
    if (size > 0) worst = std::max(worst, std::fabs(static_cast<double>(d) - exact) / size);
  });
  if (documented_order) findings.add({"mma", body + ": sums not in the documented order", where, static_cast<double>(out_of_order), 0});
  // Four additions, each with half an ulp of at most the sum of magnitudes; tensor cores truncate: a whole ulp.
  findings.add({"mma", body + ": error over the sum of magnitudes", where, worst, 4.0 * std::ldexp(1.0, documented_order ? -24 : -22)});
}

template <class Mma>
void check_selectors(const std::string& body, bool documented_order, bool quick, Findings& findings) {
  Random random{4242};
  const std::vector<Product> single = single_block_products(random);
  std::vector<Product> full;
  for (int i = 0; i < (quick ? 32 : 2000); ++i) full.push_back(random_product(random, i % 2 == 1));
  check_body<Mma, 0, 0>(body, documented_order, single, full, findings);
  check_body<Mma, 1, 0>(body, documented_order, single, full, findings);
  check_body<Mma, 0, 1>(body, documented_order, single, full, findings);
  check_body<Mma, 1, 2>(body, documented_order, single, full, findings);
  check_body<Mma, 1, 3>(body, documented_order, single, full, findings);
}

}  // namespace

void check_mma(bool native, bool quick, Findings& findings) {
  check_selectors<b12x::EmulatedMma>("emulated", true, quick, findings);
  if (native) {
    check_selectors<b12x::NativeMma>("instruction", false, quick, findings);
  } else {
    findings.skip("mma", "instruction", "the FP4 MMA needs a device of compute capability 12.0 or 12.1");
  }
}

}  // namespace moe::cuda::checking
