// Distinct rows in two steps, after Leis, Boncz, Kemper & Neumann, "Morsel-driven parallelism" (SIGMOD 2014),
// section 4.4. Every thread collects the patterns of the rows it takes in a table that stays in its cache; a table that
// is full is emptied into partitions by hash. Then every partition is collected by one thread.
#include <algorithm>
#include <bit>
#include <iterator>
#include <memory>
#include <utility>

#include "cpu/few_columns.hpp"
#include "cpu/kernels.hpp"
#include "cpu/memory.hpp"
#include "cpu/pattern_table.hpp"
#include "cpu/row_blocks.hpp"
#include "cpu/simd.hpp"

namespace askew {
namespace {

constexpr std::int64_t kLineWords = kBlockBits / kWordBits, kBlocksPerTask = 32;
constexpr std::int64_t kRowsPerEntry = 64;  // with more of them, sorting entries is faster than marking rows

std::int64_t tasks_for(std::int64_t n) { return (n + kBlockBits * kBlocksPerTask - 1) / (kBlockBits * kBlocksPerTask); }

// What the threads have collected.
struct Collected {
  std::vector<PatternRun> runs;
  std::vector<Buffer<Word>> memory;  // of the runs
};

template <std::size_t kWidth>
Collected collect(const PatternLayout<kWidth>& layout, const Columns& columns, std::int64_t n, int n_threads,
                  const Monitor& monitor) {
  const std::int64_t n_blocks = words_for(n) / kLineWords;
  std::vector<std::unique_ptr<PatternTable<kWidth>>> tables(static_cast<std::size_t>(std::max(1, n_threads)));
  parallel_for(tasks_for(n), n_threads, monitor, [&](std::int64_t task, int thread, Watch&) {
    auto& own = tables[static_cast<std::size_t>(thread)];
    if (!own) own = std::make_unique<PatternTable<kWidth>>(layout, n);
    PatternTable<kWidth>& table = *own;
    RowBlock<kWidth> rows(columns.size());
    for (std::int64_t block = task * kBlocksPerTask; block < std::min(n_blocks, (task + 1) * kBlocksPerTask); ++block) {
      rows.load(columns, block);
      const std::int64_t first = block * kBlockBits;
      rows.for_each([&](const Word* row, Word hash, std::int64_t i) {
        if (first + i < n) table.add(row, hash, first + i);
      });
    }
  });
  Collected collected;
  for (auto& table : tables) {
    if (!table) continue;
    table->flush();
    std::move(table->runs.begin(), table->runs.end(), std::back_inserter(collected.runs));
    std::move(table->memory.begin(), table->memory.end(), std::back_inserter(collected.memory));
  }
  return collected;
}

// The entries of one partition.
template <class Visit>
void for_each_entry(const std::vector<PatternRun>& runs, std::size_t partition, std::size_t words, const Visit& visit) {
  for (const PatternRun& run : runs)
    for (std::size_t i = run.starts[partition]; i < run.starts[partition + 1]; ++i) visit(run.entries + i * words);
}

// Leaves one entry of each pattern with a multiplicity that is not 0.
template <std::size_t kWidth>
void merge(const PatternLayout<kWidth>& layout, const std::vector<PatternRun>& runs, std::size_t partition,
           std::vector<Word*>& slots) {
  std::size_t size = 0;
  for (const PatternRun& run : runs) size += run.starts[partition + 1] - run.starts[partition];
  slots.assign(std::bit_ceil(2 * size + 2), nullptr);
  const std::int64_t shift = kWordBits - std::countr_zero(slots.size());
  for_each_entry(runs, partition, layout.entry(), [&](Word* entry) {
    std::size_t slot = layout.hash(entry) << layout.partition_bits >> shift;  // the first bits are those of all here
    for (; slots[slot] != nullptr; slot = (slot + 1) & (slots.size() - 1)) {
      Word* other = slots[slot];
      if (!layout.same(other + kRow, entry + kRow)) continue;
      other[kFirst] = std::min(other[kFirst], entry[kFirst]);
      other[kMultiplicity] += entry[kMultiplicity];
      entry[kMultiplicity] = 0;
      return;
    }
    slots[slot] = entry;
  });
}

// Of few entries: their rows are sorted, and no row is looked at again.
template <std::size_t kWidth>
Patterns merge_few(const PatternLayout<kWidth>& layout, const std::vector<PatternRun>& runs) {
  std::vector<std::pair<Word, Word>> found;  // first rows and multiplicities
  std::vector<Word*> slots;
  for (std::size_t partition = 0; partition < layout.n_partitions(); ++partition) {
    merge(layout, runs, partition, slots);
    for_each_entry(runs, partition, layout.entry(), [&](const Word* entry) {
      if (entry[kMultiplicity] > 0) found.emplace_back(entry[kFirst], entry[kMultiplicity]);
    });
  }
  std::ranges::sort(found);
  const std::size_t size = found.size();
  Patterns patterns{static_cast<std::int64_t>(size), make_buffer<std::int64_t>(size), make_buffer<std::int64_t>(size)};
  for (std::size_t i = 0; i < size; ++i) {
    patterns.first[i] = static_cast<std::int64_t>(found[i].first);
    patterns.multiplicity[i] = static_cast<std::int64_t>(found[i].second);
  }
  return patterns;
}

// Numbers the marked rows in their order, and lists them.
class FirstRows {
 public:
  // Every mark is a byte, 0 or 1, which no two threads share while they write them.
  explicit FirstRows(const std::vector<std::uint8_t>& marks)
      : bits_(marks.size() / kWordBits), before_(bits_.size() + 1) {
    simd().pack_column(marks.data(), std::ssize(bits_), bits_.data());
    for (std::size_t word = 0; word < bits_.size(); ++word)
      before_[word + 1] = before_[word] + static_cast<std::size_t>(std::popcount(bits_[word]));
  }

  std::size_t size() const { return before_.back(); }

  std::size_t number(Word row) const {
    const Word lower = bits_[row / kWordBits] & ((Word{1} << (row % kWordBits)) - 1);
    return before_[row / kWordBits] + static_cast<std::size_t>(std::popcount(lower));
  }

  // Those of words `begin` … `end` - 1; returns the numbers of the first of them and of the first beyond.
  std::pair<std::size_t, std::size_t> list(std::size_t begin, std::size_t end, std::int64_t* out) const {
    end = std::min(end, bits_.size());
    std::int64_t* to = out + before_[begin];
    for (std::size_t word = begin; word < end; ++word)
      for (Word left = bits_[word]; left != 0; left &= left - 1)
        *to++ = static_cast<std::int64_t>(word) * kWordBits + std::countr_zero(left);
    return {before_[begin], before_[end]};
  }

 private:
  std::vector<Word> bits_;
  std::vector<std::size_t> before_;  // how many there are before each word
};

template <std::size_t kWidth>
Patterns patterns_of_width(const Columns& columns, std::int64_t n, int n_threads, const Monitor& monitor) {
  const PatternLayout<kWidth> layout(columns.size(), n);
  const Collected collected = collect(layout, columns, n, n_threads, monitor);
  std::size_t n_entries = 0;
  for (const PatternRun& run : collected.runs) n_entries += run.starts.back();
  if (n_entries < static_cast<std::size_t>(n / kRowsPerEntry)) return merge_few(layout, collected.runs);
  const auto n_partitions = static_cast<std::int64_t>(layout.n_partitions());
  std::vector<std::uint8_t> is_first(static_cast<std::size_t>(words_for(n) * kWordBits));
  std::vector<std::vector<const Word*>> repeated(layout.n_partitions());
  std::vector<std::vector<Word*>> slots(static_cast<std::size_t>(std::max(1, n_threads)));
  parallel_for(n_partitions, n_threads, monitor, [&](std::int64_t task, int thread, Watch&) {
    const auto partition = static_cast<std::size_t>(task);
    merge(layout, collected.runs, partition, slots[static_cast<std::size_t>(thread)]);
    for_each_entry(collected.runs, partition, layout.entry(), [&](const Word* entry) {
      if (entry[kMultiplicity] == 0) return;
      is_first[entry[kFirst]] = 1;
      if (entry[kMultiplicity] > 1) repeated[partition].push_back(entry);
    });
  });

  const FirstRows first_rows(is_first);
  const std::size_t size = first_rows.size();
  Patterns found{static_cast<std::int64_t>(size), make_buffer<std::int64_t>(size), make_buffer<std::int64_t>(size)};
  parallel_for(tasks_for(n), n_threads, monitor, [&](std::int64_t task, int, Watch&) {
    constexpr std::size_t kWords = kBlocksPerTask * kLineWords;
    const std::size_t word = static_cast<std::size_t>(task) * kWords;
    const auto [begin, end] = first_rows.list(word, word + kWords, found.first.get());
    std::fill(found.multiplicity.get() + begin, found.multiplicity.get() + end, 1);
  });
  parallel_for(n_partitions, n_threads, monitor, [&](std::int64_t task, int, Watch&) {
    for (const Word* entry : repeated[static_cast<std::size_t>(task)])
      found.multiplicity[first_rows.number(entry[kFirst])] = static_cast<std::int64_t>(entry[kMultiplicity]);
  });
  return found;
}

}  // namespace

Patterns patterns(const Columns& columns, std::int64_t n, int n_threads, const Monitor& monitor) {
  if (n == 0) return {0, make_buffer<std::int64_t>(0), make_buffer<std::int64_t>(0)};
  if (columns.size() <= kFewColumns) return patterns_of_few_columns(columns, n, n_threads, monitor);
  if (columns.size() <= 64) return patterns_of_width<1>(columns, n, n_threads, monitor);
  if (columns.size() <= 128) return patterns_of_width<2>(columns, n, n_threads, monitor);
  return patterns_of_width<0>(columns, n, n_threads, monitor);
}

}  // namespace askew
