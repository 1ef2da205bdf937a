// A hash table of patterns that stays in a thread's cache: what it cannot hold goes to runs in memory.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "core/bits.hpp"
#include "cpu/memory.hpp"
#include "cpu/row_blocks.hpp"

namespace askew {

constexpr std::size_t kPatternTableBytes = std::size_t{1} << 19;  // with its slots, half of a common L2 cache

// A pattern is an entry of several words: first row, multiplicity, and the words of the row.
enum PatternField : std::size_t { kFirst, kMultiplicity, kRow };

// Entries of one table, ordered by partition: those of partition i are number starts[i] … starts[i + 1] - 1.
struct PatternRun {
  Word* entries;
  std::vector<std::uint32_t> starts;
};

// kWidth is the number of words of a row, or 0 if it is known at run time only: loops over one or two words take longer
// than what they do.
template <std::size_t kWidth>
struct PatternLayout {
  std::size_t run_time_width;
  int partition_bits = 0;

  // As many partitions as n patterns would fill tables.
  PatternLayout(std::size_t n_columns, std::int64_t n) : run_time_width((n_columns + kWordBits - 1) / kWordBits) {
    const std::size_t n_tables = static_cast<std::size_t>(n) * sizeof(Word) * entry() / kPatternTableBytes;
    partition_bits = static_cast<int>(std::bit_width(std::clamp<std::size_t>(n_tables, 1, 1024))) - 1;
  }

  std::size_t width() const { return kWidth == 0 ? run_time_width : kWidth; }
  std::size_t entry() const { return kRow + width(); }
  std::size_t n_partitions() const { return std::size_t{1} << partition_bits; }
  Word hash(const Word* entry) const { return hash_of(entry + kRow, width()); }
  std::size_t partition(const Word* entry) const {
    return partition_bits == 0 ? 0 : hash(entry) >> (64 - partition_bits);
  }

  bool same(const Word* a, const Word* b) const {
    for (std::size_t i = 0; i < width(); ++i)
      if (a[i] != b[i]) return false;
    return true;
  }
};

template <std::size_t kWidth>
class PatternTable {
 public:
  PatternTable(const PatternLayout<kWidth>& layout, std::int64_t n)
      : layout_(layout),
        capacity_(std::min(std::max<std::size_t>(64, kPatternTableBytes / (sizeof(Word) * layout.entry())),
                           static_cast<std::size_t>(n))),
        entries_(make_buffer<Word>(capacity_ * layout.entry())),
        slots_(std::bit_ceil(2 * capacity_)),
        last_slot_(slots_.size() - 1),
        slot_shift_(kWordBits - std::countr_zero(slots_.size())) {}

  void add(const Word* row, Word hash, std::int64_t index) {
    if (skipped_ > 0) return append(row, index);
    const std::uint32_t tag = tag_of(hash);
    std::size_t slot = hash >> slot_shift_;
    for (; slots_[slot] != 0; slot = (slot + 1) & last_slot_) {
      if (((slots_[slot] ^ tag) & kTag) != 0) continue;
      Word* entry = &entries_[((slots_[slot] & ~kTag) - 1) * layout_.entry()];
      if (!layout_.same(entry + kRow, row)) continue;
      ++entry[kMultiplicity];
      if (static_cast<Word>(index) < entry[kFirst]) entry[kFirst] = static_cast<Word>(index);  // hardly ever
      return;
    }
    slots_[slot] = tag | static_cast<std::uint32_t>(size_ + 1);
    append(row, index);
  }

  // Empties the table into a new run.
  void flush() {
    if (size_ == 0) return;
    PatternRun run;
    const std::size_t words = layout_.entry(), n_partitions = layout_.n_partitions();
    run.entries = room_for(size_ * words);
    run.starts.assign(n_partitions + 1, 0);
    std::size_t n_added = 0;
    partitions_.resize(size_);
    for (std::size_t i = 0; i < size_; ++i) {
      n_added += entries_[i * words + kMultiplicity];
      partitions_[i] = static_cast<std::uint16_t>(layout_.partition(&entries_[i * words]));
      ++run.starts[partitions_[i] + std::size_t{1}];
    }
    for (std::size_t i = 0; i < n_partitions; ++i) run.starts[i + 1] += run.starts[i];
    std::vector<std::uint32_t> next(run.starts.begin(), run.starts.end() - 1);
    for (std::size_t i = 0; i < size_; ++i)
      std::memcpy(&run.entries[next[partitions_[i]]++ * words], &entries_[i * words], words * sizeof(Word));
    runs.push_back(std::move(run));
    std::fill(slots_.begin(), slots_.end(), 0);
    // Where hardly any row was known, the next ones are taken unseen.
    skipped_ = skipped_ > 0 ? skipped_ - 1 : n_added < size_ + size_ / 4 ? kTablesUnseen : 0;
    size_ = 0;
  }

  std::vector<PatternRun> runs;
  std::vector<Buffer<Word>> memory;  // of the runs

 private:
  static constexpr std::uint32_t kTag = 0xFFFF0000u;  // of a slot: 16 bits of the hash; the rest: 1 + an entry
  static_assert(kPatternTableBytes / (sizeof(Word) * (kRow + 1)) < 0xFFFF);
  static constexpr int kTablesUnseen = 7;
  static constexpr std::size_t kTablesPerBuffer = 16;

  static std::uint32_t tag_of(Word hash) { return static_cast<std::uint32_t>(hash) << 16; }

  // A single run gets what it needs, more of them share large buffers.
  Word* room_for(std::size_t n_words) {
    if (room_left_ < n_words) {
      const std::size_t wanted = memory.empty() ? n_words : kTablesPerBuffer * capacity_ * layout_.entry();
      memory.push_back(make_buffer<Word>(wanted));
      room_ = memory.back().get();
      room_left_ = wanted;
    }
    room_left_ -= n_words;
    return std::exchange(room_, room_ + n_words);
  }

  void append(const Word* row, std::int64_t index) {
    Word* entry = &entries_[size_ * layout_.entry()];
    entry[kFirst] = static_cast<Word>(index);
    entry[kMultiplicity] = 1;
    std::memcpy(entry + kRow, row, layout_.width() * sizeof(Word));
    if (++size_ == capacity_) flush();
  }

  const PatternLayout<kWidth> layout_;
  const std::size_t capacity_;
  Buffer<Word> entries_;
  std::vector<std::uint32_t> slots_;
  const std::size_t last_slot_;
  const std::int64_t slot_shift_;
  std::vector<std::uint16_t> partitions_;  // of the entries that are flushed
  std::size_t size_ = 0;
  int skipped_ = 0;
  Word* room_ = nullptr;
  std::size_t room_left_ = 0;
};

}  // namespace askew
