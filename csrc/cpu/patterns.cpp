// Distinct rows in two steps, after Leis, Boncz, Kemper & Neumann, "Morsel-driven parallelism" (SIGMOD 2014),
// section 4.4. Every thread collects the patterns of the rows it takes in a table that stays in its cache; a table that
// is full is emptied into partitions by hash. Then every partition is collected by one thread.
#include <bit>
#include <cstring>
#include <utility>

#include "cpu/kernels.hpp"
#include "cpu/memory.hpp"
#include "cpu/row_blocks.hpp"
#include "cpu/simd.hpp"

namespace askew {
namespace {

constexpr std::size_t kTableBytes = std::size_t{1} << 19;  // with its slots, half of a common L2 cache
constexpr std::int64_t kLineWords = kBlockBits / kWordBits, kBlocksPerTask = 32;

// A pattern is an entry of several words: first row, multiplicity, hash, and the words of the row.
enum Field : std::size_t { kFirst, kMultiplicity, kHash, kRow };

// Entries of one table, ordered by partition: those of partition i are number starts[i] … starts[i + 1] - 1.
struct Run {
  Word* entries;
  std::vector<std::uint32_t> starts;
};

// kWidth is the number of words of a row, or 0 if it is known at run time only: loops over one or two words take longer
// than what they do.
template <std::size_t kWidth>
struct Layout {
  std::size_t run_time_width;
  unsigned partition_bits;

  std::size_t width() const { return kWidth == 0 ? run_time_width : kWidth; }
  std::size_t entry() const { return kRow + width(); }
  std::size_t partition(Word hash) const { return partition_bits == 0 ? 0 : hash >> (64 - partition_bits); }

  bool same(const Word* a, const Word* b) const {
    for (std::size_t i = 0; i < width(); ++i)
      if (a[i] != b[i]) return false;
    return true;
  }
};

template <std::size_t kWidth>
class Table {
 public:
  Table(const Layout<kWidth>& layout, std::int64_t n)
      : layout_(layout),
        capacity_(std::min(std::max<std::size_t>(64, kTableBytes / (sizeof(Word) * layout.entry())),
                           static_cast<std::size_t>(n))),
        entries_(make_buffer<Word>(capacity_ * layout.entry())),
        slots_(std::bit_ceil(2 * capacity_)) {}

  void add(const Word* row, Word hash, std::int64_t index) {
    ++n_added_;
    if (skipped_ > 0) return append(row, hash, index);
    std::size_t slot = hash & (slots_.size() - 1);
    for (; slots_[slot] != 0; slot = (slot + 1) & (slots_.size() - 1)) {
      if (((slots_[slot] ^ hash) & kTag) != 0) continue;
      Word* entry = &entries_[((slots_[slot] & ~kTag) - 1) * layout_.entry()];
      if (!layout_.same(entry + kRow, row)) continue;
      ++entry[kMultiplicity];
      return;
    }
    slots_[slot] = (hash & kTag) | (size_ + 1);
    append(row, hash, index);
  }

  // Empties the table into a new run.
  void flush() {
    if (size_ == 0) return;
    Run run;
    const std::size_t words = layout_.entry(), n_partitions = std::size_t{1} << layout_.partition_bits;
    run.entries = room_for(size_ * words);
    run.starts.assign(n_partitions + 1, 0);
    for (std::size_t i = 0; i < size_; ++i) ++run.starts[layout_.partition(entries_[i * words + kHash]) + 1];
    for (std::size_t i = 0; i < n_partitions; ++i) run.starts[i + 1] += run.starts[i];
    std::vector<std::uint32_t> next(run.starts.begin(), run.starts.end() - 1);
    for (std::size_t i = 0; i < size_; ++i) {
      const Word* entry = &entries_[i * words];
      std::memcpy(&run.entries[next[layout_.partition(entry[kHash])]++ * words], entry, words * sizeof(Word));
    }
    runs.push_back(std::move(run));
    std::fill(slots_.begin(), slots_.end(), 0);
    // Where hardly any row was known, the next ones are taken unseen.
    skipped_ = skipped_ > 0 ? skipped_ - 1 : n_added_ < size_ + size_ / 4 ? kTablesUnseen : 0;
    size_ = n_added_ = 0;
  }

  std::vector<Run> runs;
  std::vector<Buffer<Word>> memory;  // of the runs

 private:
  static constexpr Word kTag = 0xFFFFFFFF00000000ull;  // of a slot: the upper half of a hash; the rest: 1 + an entry
  static constexpr int kTablesUnseen = 7;
  static constexpr std::size_t kTablesPerBuffer = 16;

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

  void append(const Word* row, Word hash, std::int64_t index) {
    Word* entry = &entries_[size_ * layout_.entry()];
    entry[kFirst] = static_cast<Word>(index);
    entry[kMultiplicity] = 1;
    entry[kHash] = hash;
    std::memcpy(entry + kRow, row, layout_.width() * sizeof(Word));
    if (++size_ == capacity_) flush();
  }

  const Layout<kWidth> layout_;
  const std::size_t capacity_;
  Buffer<Word> entries_;
  std::vector<Word> slots_;
  std::size_t size_ = 0, n_added_ = 0;
  int skipped_ = 0;
  Word* room_ = nullptr;
  std::size_t room_left_ = 0;
};

// The entries of one partition.
template <class Visit>
void for_each_entry(const std::vector<Run>& runs, std::size_t partition, std::size_t words, const Visit& visit) {
  for (const Run& run : runs)
    for (std::size_t i = run.starts[partition]; i < run.starts[partition + 1]; ++i) visit(run.entries + i * words);
}

// Leaves one entry of each pattern with a multiplicity that is not 0.
template <std::size_t kWidth>
void merge(const Layout<kWidth>& layout, const std::vector<Run>& runs, std::size_t partition,
           std::vector<Word*>& slots) {
  std::size_t size = 0;
  for (const Run& run : runs) size += run.starts[partition + 1] - run.starts[partition];
  slots.assign(std::bit_ceil(2 * size + 1), nullptr);
  for_each_entry(runs, partition, layout.entry(), [&](Word* entry) {
    std::size_t slot = entry[kHash] & (slots.size() - 1);
    for (; slots[slot] != nullptr; slot = (slot + 1) & (slots.size() - 1)) {
      Word* other = slots[slot];
      if (other[kHash] != entry[kHash] || !layout.same(other + kRow, entry + kRow)) continue;
      other[kFirst] = std::min(other[kFirst], entry[kFirst]);
      other[kMultiplicity] += entry[kMultiplicity];
      entry[kMultiplicity] = 0;
      return;
    }
    slots[slot] = entry;
  });
}

template <std::size_t kWidth>
Patterns patterns_of_width(const Columns& columns, std::int64_t n, int n_threads, const Monitor& monitor) {
  const std::size_t width = (columns.size() + kWordBits - 1) / kWordBits;
  const std::size_t n_tables = static_cast<std::size_t>(n) * sizeof(Word) * (kRow + width) / kTableBytes;
  const auto partition_bits = std::bit_width(std::clamp<std::size_t>(n_tables, 1, 1024)) - 1;
  const Layout<kWidth> layout{width, static_cast<unsigned>(partition_bits)};
  const std::int64_t n_blocks = words_for(n) / kLineWords, n_partitions = std::int64_t{1} << layout.partition_bits;
  const std::int64_t n_tasks = (n_blocks + kBlocksPerTask - 1) / kBlocksPerTask;

  std::vector<std::unique_ptr<Table<kWidth>>> tables(static_cast<std::size_t>(std::max(1, n_threads)));
  parallel_for(n_tasks, n_threads, monitor, [&](std::int64_t task, int thread, Watch&) {
    auto& table = tables[static_cast<std::size_t>(thread)];
    if (!table) table = std::make_unique<Table<kWidth>>(layout, n);
    RowBlock<kWidth> rows(columns.size());
    for (std::int64_t block = task * kBlocksPerTask; block < std::min(n_blocks, (task + 1) * kBlocksPerTask); ++block) {
      rows.load(columns, block);
      const std::int64_t first = block * kBlockBits, n_rows = std::min(kBlockBits, n - first);
      for (std::int64_t i = 0; i < n_rows; ++i)
        table->add(rows.row(static_cast<std::size_t>(i)), rows.hash(static_cast<std::size_t>(i)), first + i);
    }
  });
  std::vector<Run> runs;
  std::vector<Buffer<Word>> memory;
  for (auto& table : tables) {
    if (!table) continue;
    table->flush();
    std::move(table->runs.begin(), table->runs.end(), std::back_inserter(runs));
    std::move(table->memory.begin(), table->memory.end(), std::back_inserter(memory));
    table.reset();
  }

  // First rows are marked by bytes, which no two threads share, and numbered by counting them.
  std::vector<std::uint8_t> is_first(static_cast<std::size_t>(n_blocks * kBlockBits));
  std::vector<std::vector<Word*>> slots(tables.size());
  std::vector<std::vector<const Word*>> repeated(static_cast<std::size_t>(n_partitions));
  parallel_for(n_partitions, n_threads, monitor, [&](std::int64_t task, int thread, Watch&) {
    const auto partition = static_cast<std::size_t>(task);
    merge(layout, runs, partition, slots[static_cast<std::size_t>(thread)]);
    for_each_entry(runs, partition, layout.entry(), [&](const Word* entry) {
      if (entry[kMultiplicity] == 0) return;
      is_first[entry[kFirst]] = 1;
      if (entry[kMultiplicity] > 1) repeated[partition].push_back(entry);
    });
  });
  std::vector<Word> first_bits(is_first.size() / kWordBits);
  simd().pack_column(is_first.data(), std::ssize(first_bits), first_bits.data());
  std::vector<std::int64_t> before(first_bits.size() + 1);  // how many first rows there are before each word
  for (std::size_t word = 0; word < first_bits.size(); ++word)
    before[word + 1] = before[word] + std::popcount(first_bits[word]);

  Patterns found;
  found.size = before.back();
  found.first = make_buffer<std::int64_t>(static_cast<std::size_t>(found.size));
  found.multiplicity = make_buffer<std::int64_t>(static_cast<std::size_t>(found.size));
  parallel_for(n_tasks, n_threads, monitor, [&](std::int64_t task, int, Watch&) {
    const auto begin = static_cast<std::size_t>(task * kBlocksPerTask * kLineWords);
    const auto end = std::min(first_bits.size(), begin + kBlocksPerTask * kLineWords);
    std::int64_t* first = &found.first[static_cast<std::size_t>(before[begin])];
    for (std::size_t word = begin; word < end; ++word)
      for (Word left = first_bits[word]; left != 0; left &= left - 1)
        *first++ = static_cast<std::int64_t>(word * 64) + std::countr_zero(left);
    std::fill(&found.multiplicity[static_cast<std::size_t>(before[begin])],
              &found.multiplicity[static_cast<std::size_t>(before[end])], 1);
  });
  parallel_for(n_partitions, n_threads, monitor, [&](std::int64_t task, int, Watch&) {
    for (const Word* entry : repeated[static_cast<std::size_t>(task)]) {
      const std::size_t word = entry[kFirst] / kWordBits;
      const Word lower = first_bits[word] & ((Word{1} << (entry[kFirst] % kWordBits)) - 1);
      found.multiplicity[static_cast<std::size_t>(before[word] + std::popcount(lower))] =
          static_cast<std::int64_t>(entry[kMultiplicity]);
    }
  });
  return found;
}

}  // namespace

Patterns patterns(const Columns& columns, std::int64_t n, int n_threads, const Monitor& monitor) {
  if (n == 0) return {0, make_buffer<std::int64_t>(0), make_buffer<std::int64_t>(0)};
  if (columns.size() <= 64) return patterns_of_width<1>(columns, n, n_threads, monitor);
  if (columns.size() <= 128) return patterns_of_width<2>(columns, n, n_threads, monitor);
  return patterns_of_width<0>(columns, n, n_threads, monitor);
}

}  // namespace askew
