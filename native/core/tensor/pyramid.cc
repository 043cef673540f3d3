#include "core/tensor/pyramid.h"

#include <algorithm>
#include <array>
#include <bit>
#include <list>
#include <mutex>

#include "core/layout/scale_layout.h"
#include "core/tensor/e4m3_strip.h"
#include "core/tensor/inspect.h"

namespace moe {
namespace {

constexpr int kBlockBits = 8;  // elements of the finest block, as a power of two
constexpr int64_t kSmallPlane = int64_t{1} << 18;
constexpr uint64_t kCacheBytes = 96ULL << 20;

int bits_of(int64_t length) { return std::bit_width(static_cast<uint64_t>(std::max<int64_t>(1, length) - 1)); }

}  // namespace

void add_elements(const PlaneReader& reader, const ElementRect& rect, TileCell& cell) {
  constexpr int64_t kRun = 256;
  std::array<uint8_t, kRun> codes;
  for (int64_t row = rect.row_begin; row < rect.row_end; ++row) {
    if (!reader.is_e4m3()) {
      for (int64_t column = rect.column_begin; column < rect.column_end; ++column) {
        const Element element = reader.at(row, column);
        cell.add(element.value, element.kind);
      }
      continue;
    }
    for (int64_t column = rect.column_begin; column < rect.column_end; column += kRun) {
      const int64_t count = std::min(kRun, rect.column_end - column);
      reader.run_codes(row, column, count, codes.data());
      add_e4m3(codes.data(), count, cell);
    }
  }
}

Pyramid::Pyramid(const Tensor& tensor, int64_t plane, const Task& task) : rows_(tensor.rows), columns_(tensor.columns) {
  // A fitted view has about as many cells each way, so a block is as elongated as the plane is.
  const int difference = bits_of(rows_) - bits_of(columns_);
  column_shift_ = std::clamp((kBlockBits - difference) / 2, 0, kBlockBits);
  row_shift_ = kBlockBits - column_shift_;
  scan(tensor, plane, task);
  while (levels_.back().rows > 1 || levels_.back().columns > 1) add_level();
}

void Pyramid::scan(const Tensor& tensor, int64_t plane, const Task& task) {
  Level base;
  base.rows = ceil_div(rows_, block_rows());
  base.columns = ceil_div(columns_, block_columns());
  base.cells.resize(static_cast<size_t>(base.rows * base.columns));
  const PlaneReader reader(tensor, plane);
  const Element* table = code_count(tensor) > 0 ? code_table(tensor) : nullptr;
  // 128 rows a task where there are enough: in swizzled storage rows 32, 64 and 96 further lie in the same cache line.
  const int64_t together = std::clamp<int64_t>(base.rows / 64, 1, std::max<int64_t>(1, int64_t{128} >> row_shift_));
  parallel_for(ceil_div(base.rows, together), task, [&](int64_t part) {
    std::vector<uint8_t> codes(table != nullptr ? static_cast<size_t>(columns_) + 4 : 0);
    E4m3Strip strip(reader.is_e4m3() ? columns_ : 0);
    for (int64_t block_row = part * together; block_row < std::min(base.rows, (part + 1) * together); ++block_row) {
      TileCell* const cells = base.cells.data() + block_row * base.columns;
      const int64_t row_begin = block_row << row_shift_;
      const int64_t row_end = std::min(rows_, row_begin + block_rows());
      strip.clear();
      for (int64_t row = row_begin; row < row_end; ++row) {
        if (table != nullptr) reader.row_codes(row, columns_, codes.data());
        if (reader.is_e4m3()) {
          strip.add_row(codes.data());
          continue;
        }
        for (int64_t column = 0; column < columns_; ++column) {
          const Element element = table != nullptr ? table[codes[static_cast<size_t>(column)]] : reader.at(row, column);
          cells[column >> column_shift_].add(element.value, element.kind);
        }
      }
      if (!reader.is_e4m3()) continue;
      for (int64_t block = 0; block < base.columns; ++block) {
        const int64_t begin = block << column_shift_;
        const int64_t end = std::min(columns_, begin + block_columns());
        if (!strip.add_to(cells[block], begin, end)) add_elements(reader, {row_begin, row_end, begin, end}, cells[block]);
      }
    }
  });
  levels_.push_back(std::move(base));
}

void Pyramid::add_level() {
  const Level& below = levels_.back();
  Level level;
  level.rows = ceil_div(below.rows, 2);
  level.columns = ceil_div(below.columns, 2);
  level.cells.resize(static_cast<size_t>(level.rows * level.columns));
  for (int64_t row = 0; row < below.rows; ++row) {
    for (int64_t column = 0; column < below.columns; ++column) {
      level.cells[static_cast<size_t>((row / 2) * level.columns + column / 2)].merge(below.cells[static_cast<size_t>(row * below.columns + column)]);
    }
  }
  levels_.push_back(std::move(level));
}

void Pyramid::reduce(const PlaneReader& reader, const ElementRect& rect, TileCell& cell) const {
  reduce_from(static_cast<int>(levels_.size()) - 1, reader, rect, cell);
}

void Pyramid::reduce_from(int level, const PlaneReader& reader, const ElementRect& rect, TileCell& cell) const {
  if (rect.empty()) return;
  if (level < 0) return add_elements(reader, rect, cell);
  // Whole blocks of this level inside the rectangle; a block at the edge of the plane is whole where the plane ends.
  const Level& blocks = levels_[static_cast<size_t>(level)];
  const int row_bits = row_shift_ + level;
  const int column_bits = column_shift_ + level;
  const int64_t first_row = ceil_div(rect.row_begin, int64_t{1} << row_bits);
  const int64_t first_column = ceil_div(rect.column_begin, int64_t{1} << column_bits);
  const int64_t last_row = rect.row_end == rows_ ? blocks.rows : rect.row_end >> row_bits;
  const int64_t last_column = rect.column_end == columns_ ? blocks.columns : rect.column_end >> column_bits;
  if (first_row >= last_row || first_column >= last_column) return reduce_from(level - 1, reader, rect, cell);
  for (int64_t row = first_row; row < last_row; ++row) {
    for (int64_t column = first_column; column < last_column; ++column) cell.merge(blocks.cells[static_cast<size_t>(row * blocks.columns + column)]);
  }
  const ElementRect inside{first_row << row_bits, std::min(rows_, last_row << row_bits), first_column << column_bits, std::min(columns_, last_column << column_bits)};
  reduce_from(level - 1, reader, {rect.row_begin, inside.row_begin, rect.column_begin, rect.column_end}, cell);
  reduce_from(level - 1, reader, {inside.row_end, rect.row_end, rect.column_begin, rect.column_end}, cell);
  reduce_from(level - 1, reader, {inside.row_begin, inside.row_end, rect.column_begin, inside.column_begin}, cell);
  reduce_from(level - 1, reader, {inside.row_begin, inside.row_end, inside.column_end, rect.column_end}, cell);
}

uint64_t Pyramid::bytes() const {
  uint64_t bytes = 0;
  for (const Level& level : levels_) bytes += level.cells.size() * sizeof(TileCell);
  return bytes;
}

namespace {

/// Filled by whoever locks it first.
struct Slot {
  std::mutex mutex;
  std::shared_ptr<const Pyramid> pyramid;
};
struct Entry {
  std::weak_ptr<const Backing> backing;
  const uint8_t* data;
  Layout layout;
  DType dtype;
  int64_t rows, columns;
  std::shared_ptr<Slot> slot;
  uint64_t bytes;
};

std::mutex cache_mutex;
std::list<Entry> cache;  // most recently used first

std::shared_ptr<Slot> slot_of(const Tensor& tensor, const uint8_t* data) {
  const std::lock_guard lock(cache_mutex);
  cache.remove_if([](const Entry& entry) { return entry.backing.expired(); });
  const auto same = [&](const Entry& entry) {
    return entry.data == data && entry.layout == tensor.layout && entry.dtype == tensor.dtype && entry.rows == tensor.rows && entry.columns == tensor.columns && entry.backing.lock() == tensor.backing;
  };
  const auto found = std::find_if(cache.begin(), cache.end(), same);
  if (found != cache.end()) cache.splice(cache.begin(), cache, found);
  else cache.push_front({tensor.backing, data, tensor.layout, tensor.dtype, tensor.rows, tensor.columns, std::make_shared<Slot>(), 0});
  return cache.front().slot;
}

void count_bytes(const std::shared_ptr<Slot>& slot, uint64_t bytes) {
  const std::lock_guard lock(cache_mutex);
  uint64_t total = 0;
  for (auto entry = cache.begin(); entry != cache.end();) {
    if (entry->slot == slot) entry->bytes = bytes;
    total += entry->bytes;
    entry = total > kCacheBytes && entry->slot != slot ? cache.erase(entry) : std::next(entry);
  }
}

}  // namespace

std::shared_ptr<const Pyramid> ready_pyramid(const Tensor& tensor, int64_t plane) {
  if (!tensor.backing || tensor.rows * tensor.columns < kSmallPlane) return nullptr;
  const std::shared_ptr<Slot> slot = slot_of(tensor, tensor.plane(plane));
  const std::unique_lock lock(slot->mutex, std::try_to_lock);
  return lock.owns_lock() ? slot->pyramid : nullptr;
}

std::shared_ptr<const Pyramid> pyramid_of(const Tensor& tensor, int64_t plane, const Task& task) {
  if (!tensor.backing || tensor.rows * tensor.columns < kSmallPlane) return nullptr;
  const std::shared_ptr<Slot> slot = slot_of(tensor, tensor.plane(plane));
  const std::lock_guard lock(slot->mutex);
  if (!slot->pyramid) {
    slot->pyramid = std::make_shared<const Pyramid>(tensor, plane, task);
    count_bytes(slot, slot->pyramid->bytes());
  }
  return slot->pyramid;
}

}  // namespace moe
