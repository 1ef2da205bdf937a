#include <mutex>

#include "cpu/count_plan.hpp"
#include "cpu/estimated_ones.hpp"
#include "cpu/kernels.hpp"
#include "cpu/pivots.hpp"
#include "cpu/simd.hpp"
#include "cpu/word_buffer.hpp"

namespace askew {
namespace {

constexpr std::int64_t kSetsAtATime = 1 << 18;  // whose plans are small
constexpr std::int64_t kSetsPerPlan = 1 << 15;
constexpr std::int64_t kBlockWords = 3 << 14;      // of all columns together: 384 KiB, which stay in the L2 cache
constexpr std::int64_t kWordsAtATime = 1 << 13;    // of columns that are read about once
constexpr std::int64_t kWordsToReorder = 1 << 10;  // of a column, below which a better order costs more than it saves
constexpr std::int64_t kWordsToPlan = 1 << 6;      // and below which a plan does

// Itemsets one by one, but for those that follow each other and differ in the last column.
void count_unplanned(const Columns& columns, std::int64_t n_words, const Itemsets& itemsets, std::int64_t begin,
                     std::int64_t end, std::int64_t* out) {
  const SimdKernels& kernels = simd();
  const auto first = [&](std::int64_t s) { return itemsets.items + itemsets.offsets[s]; };
  const auto last = [&](std::int64_t s) { return itemsets.items + itemsets.offsets[s + 1] - 1; };
  const auto bits = [&](const std::int32_t* item) { return columns[static_cast<std::size_t>(*item)]; };
  Columns prefix;
  for (std::int64_t s = begin, next; s < end; s = next) {
    next = s + 1;
    const std::int64_t size = itemsets.offsets[s + 1] - itemsets.offsets[s];
    if (size == 0) continue;
    while (next < end && next - s < kTile && size > 1 && last(next) - first(next) == size - 1 &&
           std::equal(first(s), last(s), first(next)))
      ++next;
    prefix.clear();
    for (const std::int32_t* item = first(s); item < last(s); ++item) prefix.push_back(bits(item));
    const Word* tails[kTile];
    for (std::int64_t t = s; t < next; ++t) tails[t - s] = bits(last(t));
    const Word* row = size > 1 ? prefix.back() : tails[0];
    kernels.count_tile(prefix.data(), std::max<std::int64_t>(size - 2, 0), &row, 1, tails, static_cast<int>(next - s),
                       n_words, out + s, 0, nullptr);
  }
}

// The itemsets of a list, and in the same pass those that are counted by rows.
void count_in_whole_table(const Columns& columns, std::int64_t n_words, const ItemsetList& list,
                          const RowTally& by_rows, std::int64_t* out, int n_threads, const Monitor& monitor) {
  const Itemsets itemsets = list.view();
  if (itemsets.size == 0 && !by_rows.any()) return;
  const std::int64_t fitting = kBlockWords / std::max<std::int64_t>(std::ssize(columns), 1) / 8 * 8;
  const std::int64_t block = std::clamp<std::int64_t>(fitting, 128, 1024), n_blocks = (n_words + block - 1) / block;
  // There is work for every thread, with few itemsets in many rows and the other way round.
  const std::int64_t n_tasks = 8 * n_threads, n_ranges = std::min(n_tasks, n_blocks);
  const std::int64_t per_plan = std::clamp<std::int64_t>(itemsets.size * n_ranges / n_tasks, 256, kSetsPerPlan);
  const std::int64_t n_plans = std::max<std::int64_t>((itemsets.size + per_plan - 1) / per_plan, 1);
  std::vector<std::unique_ptr<const CountPlan>> plans(static_cast<std::size_t>(n_plans));
  parallel_for(n_plans, n_threads, monitor, [&](std::int64_t p, int, Watch&) {
    const std::int64_t begin = p * per_plan, end = std::min(itemsets.size, begin + per_plan);
    plans[static_cast<std::size_t>(p)] =
        std::make_unique<const CountPlan>(itemsets, begin, end, columns.size(), n_words >= kWordsToReorder);
  });
  const bool on_cache_lines = std::ranges::all_of(
      columns, [](const Word* column) { return reinterpret_cast<std::uintptr_t>(column) % 64 == 0; });
  std::vector<std::unique_ptr<RowTally::Sums>> tallies(static_cast<std::size_t>(n_threads));
  std::mutex mutex;
  parallel_for(n_plans * n_ranges, n_threads, monitor, [&](std::int64_t task, int thread, Watch& watch) {
    const CountPlan& plan = *plans[static_cast<std::size_t>(task / n_ranges)];
    const std::int64_t range = task % n_ranges;
    const std::int64_t begin = range * n_blocks / n_ranges * block;
    const std::int64_t end = std::min((range + 1) * n_blocks / n_ranges * block, n_words);
    const bool read_often = plan.n_steps() > plan.columns().size(), copied = read_often && !on_cache_lines;
    const std::int64_t step = read_often ? block : kWordsAtATime;
    std::vector<std::int64_t> sums(plan.n_counts(), 0);
    Columns part(plan.columns().size()), next;
    WordBuffer buffer;
    RowTally::Sums* tally = nullptr;
    if (by_rows.any() && task < n_ranges) {  // with the first plan
      std::unique_ptr<RowTally::Sums>& own = tallies[static_cast<std::size_t>(thread)];
      if (!own) own = std::make_unique<RowTally::Sums>(by_rows);
      tally = own.get();
    }
    for (std::int64_t word = begin; word < end; word += step) {
      watch.check(thread);
      const std::int64_t n_here = std::min(step, end - word);
      if (tally != nullptr) by_rows.add(columns, word, n_here, *tally);
      Word* copy = copied ? buffer.reserve(part.size() * static_cast<std::size_t>(n_here)) : nullptr;
      for (std::size_t c = 0; c < part.size(); ++c) {
        part[c] = columns[static_cast<std::size_t>(plan.columns()[c])] + word;
        if (!copied) continue;
        part[c] = std::copy_n(part[c], n_here, copy) - n_here;  // side by side, and no register across two cache lines
        copy += n_here;
      }
      next.clear();
      if (read_often && word + step + n_here <= end)
        for (const std::int32_t c : plan.columns()) next.push_back(columns[static_cast<std::size_t>(c)] + word + step);
      plan.run(part, n_here, sums.data(), next);
    }
    const std::lock_guard<std::mutex> lock(mutex);
    for (std::size_t i = 0; i < sums.size(); ++i)
      if (plan.itemset_of(i) >= 0) out[list.numbers[static_cast<std::size_t>(plan.itemset_of(i))]] += sums[i];
  });
  for (const std::unique_ptr<RowTally::Sums>& tally : tallies)
    if (tally) by_rows.collect(*tally, out);
}

}  // namespace

void count(const Columns& columns, std::int64_t n, const Itemsets& itemsets, std::int64_t* out, int n_threads,
           const Monitor& monitor) {
  const std::int64_t n_words = words_for(n);
  for (std::int64_t s = 0; s < itemsets.size; ++s) out[s] = itemsets.offsets[s] == itemsets.offsets[s + 1] ? n : 0;
  if (n_words < kWordsToPlan) {
    constexpr std::int64_t kPerTask = 4096;
    parallel_for((itemsets.size + kPerTask - 1) / kPerTask, n_threads, monitor, [&](std::int64_t task, int, Watch&) {
      const std::int64_t begin = task * kPerTask;
      count_unplanned(columns, n_words, itemsets, begin, std::min(itemsets.size, begin + kPerTask), out);
    });
    return;
  }
  for (std::int64_t begin = 0; begin < itemsets.size; begin += kSetsAtATime) {
    const std::int64_t end = std::min(itemsets.size, begin + kSetsAtATime);
    const std::vector<std::int64_t> ones = estimated_ones(columns, n_words, itemsets, begin, end);
    const RowTally by_rows = ones.empty() ? RowTally() : RowTally(ones, n_words, itemsets, begin, end, n_threads);
    const SplitItemsets parts = split(ones, n_words, itemsets, begin, end, by_rows);
    count_in_whole_table(columns, n_words, parts.whole, by_rows, out, n_threads, monitor);
    if (!parts.pivots.empty()) count_among_rows(columns, n_words, parts, out, n_threads, monitor);
  }
}

}  // namespace askew
