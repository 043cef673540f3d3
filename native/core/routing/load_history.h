// Rows per expert of every batch of a run, kept in bounded memory and reduced to pixels.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

namespace moe {

/// What a picture of batches [first, last] needs: a cell a pixel, facts a column. NaN where no batch is known.
struct LoadWindow {
  int64_t first = 0, last = -1;     ///< after cutting to the batches there are; last < first = none
  int32_t columns = 0, rows = 0;    ///< cells
  int32_t experts_per_row = 1;
  int64_t exact_from = 0;           ///< older batches are seen in blocks of LoadHistory::kBlock
  std::vector<float> load;          ///< [rows * columns] rows of an expert over those of an even spread; the largest of a cell's experts
  std::vector<float> unique;        ///< [columns] mean over the column's batches, as the next three
  std::vector<float> expected;      ///< unique experts under uniform routing
  std::vector<float> imbalance;     ///< most rows / mean rows
  std::vector<float> padding;       ///< share of tile rows that are padding; 0 for kernels without row tiles
};

/// Append-only. The newest batches are kept one by one, all of them as sums over blocks; a million batches of 128 experts
/// take about 60 MB. One writer; reading may happen on another thread meanwhile.
class LoadHistory {
 public:
  static constexpr int64_t kBlock = 64;
  static constexpr int64_t kExactBytes = int64_t{32} << 20;

  /// @param exact_bytes memory for batches kept one by one; at least one block is kept
  LoadHistory(int32_t experts, int32_t top_k, int64_t exact_bytes = kExactBytes);

  /// Adds the next batch. @param rows [experts], or null where the routing is not known. @param tile_m 0 = no row tiles
  void append(const int32_t* rows, int32_t tile_m);

  int32_t experts() const { return experts_; }
  int64_t size() const;
  int64_t bytes() const;

  /// Batches first..last over at most `columns` columns and `rows` rows of experts.
  LoadWindow window(int64_t first, int64_t last, int32_t columns, int32_t rows) const;

 private:
  struct Facts {
    float unique, expected, imbalance, padding;  // NaN: not known
  };
  /// Adds rows of batches [from, to] to sums; whole blocks where single batches are gone or a block is shorter work.
  void add(int64_t from, int64_t to, std::vector<int64_t>& sums) const;
  int64_t exact_from() const;

  const int32_t experts_, top_k_;
  const int64_t kept_;  ///< batches kept one by one, a multiple of kBlock
  mutable std::mutex mutex_;
  int64_t size_ = 0;
  std::vector<int32_t> exact_;    ///< ring of kept_ batches
  std::vector<uint32_t> blocks_;  ///< sums over kBlock batches; a run's last block is not full
  std::vector<Facts> facts_;
};

}  // namespace moe
