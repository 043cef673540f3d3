#include "core/tensor/pyramid.h"

#include <algorithm>
#include <array>
#include <bit>
#include <list>
#include <mutex>

#include "core/formats/e4m3.h"
#include "core/layout/scale_layout.h"
#include "core/tensor/inspect.h"

namespace moe {
namespace {

constexpr int kBlockBits = 8;  // elements of the finest block, as a power of two
constexpr int64_t kSmallPlane = int64_t{1} << 18;
constexpr uint64_t kCacheBytes = 96ULL << 20;

int bits_of(int64_t length) { return std::bit_width(static_cast<uint64_t>(std::max<int64_t>(1, length) - 1)); }

/// E4M3 values times 2^9 are whole numbers: sums of a block are exact in 32 bits.
constexpr std::array<int32_t, 256> fixed_point() {
  std::array<int32_t, 256> table{};
  for (size_t code = 0; code < 256; ++code) {
    if ((code & 0x7FU) != 0x7FU) table[code] = static_cast<int32_t>(kE4m3Values[code] * 512.0F);
  }
  return table;
}
constexpr std::array<int32_t, 256> kFixed = fixed_point();

/// Some neighbours of one row, E4M3 codes. Extremes and marks need no decoding (the order of the codes is that of the
/// values), so that the compiler makes byte-wide SIMD of them.
void add_e4m3(const uint8_t* codes, int64_t count, TileCell& cell) {
  uint8_t low = 0xFF, high = 0, least = 0xFF, largest = 0, before = 0xFF, at_limit = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint8_t code = codes[i];
    const auto magnitude = static_cast<uint8_t>(code & 0x7FU);
    const auto key = static_cast<uint8_t>(code < 0x80 ? code | 0x80U : ~code);
    low = std::min(low, key);
    high = std::max(high, key);
    least = std::min(least, magnitude);
    largest = std::max(largest, magnitude);
    before = std::min(before, static_cast<uint8_t>(magnitude - 1U));
    at_limit |= static_cast<uint8_t>(magnitude == 0x7E ? 1 : 0);
  }
  if (largest == 0x7F) {  // NaN has no place in the order
    for (int64_t i = 0; i < count; ++i) {
      const Element element = decode_element(DType::kF8E4m3, Layout::kLinear, codes[i]);
      cell.add(element.value, element.kind);
    }
    return;
  }
  int32_t sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += kFixed[codes[i]];
  const auto value = [](uint8_t key) { return static_cast<double>(kE4m3Values[key >= 0x80 ? key & 0x7FU : static_cast<uint8_t>(~key)]); };
  const auto marks = static_cast<uint8_t>((least == 0 ? kMarkZero : 0) | (before < 7 ? kMarkSubnormal : 0) | (at_limit != 0 ? kMarkSaturated : 0));
  cell.add_many(value(low), value(high), sum / 512.0, static_cast<uint64_t>(count), marks);
}

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
  const bool e4m3 = tensor.dtype == DType::kF8E4m3;
  parallel_for(base.rows, task, [&](int64_t block_row) {
    std::vector<uint8_t> codes(table != nullptr ? static_cast<size_t>(columns_) + 4 : 0);
    TileCell* const cells = base.cells.data() + block_row * base.columns;
    const int64_t row_end = std::min(rows_, (block_row + 1) << row_shift_);
    for (int64_t row = block_row << row_shift_; row < row_end; ++row) {
      if (table != nullptr) reader.row_codes(row, columns_, codes.data());
      for (int64_t block = 0; block < base.columns; ++block) {
        const int64_t begin = block << column_shift_;
        const int64_t end = std::min(columns_, begin + block_columns());
        if (e4m3) {
          if (end - begin == 16) add_e4m3(codes.data() + begin, 16, cells[block]);
          else add_e4m3(codes.data() + begin, end - begin, cells[block]);
        } else {
          for (int64_t column = begin; column < end; ++column) {
            const Element element = table != nullptr ? table[codes[static_cast<size_t>(column)]] : reader.at(row, column);
            cells[block].add(element.value, element.kind);
          }
        }
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
