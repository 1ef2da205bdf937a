#include "cpu/pivots.hpp"

#include "cpu/bit_table.hpp"
#include "cpu/count_plan.hpp"
#include "cpu/items.hpp"
#include "cpu/simd.hpp"

namespace askew {
namespace {

constexpr std::int64_t kBlockWords = kBlockBits / kWordBits;
constexpr std::int64_t kMaxRowBytes = 1 << 20;  // of the second copy, by rows, of a part: it stays in the L2 cache

// Which columns to count among: estimates in cycles.
std::vector<bool> chosen_pivots(const std::vector<std::int64_t>& ones, const std::vector<std::int64_t>& n_sets,
                                std::int64_t n_words) {
  const std::int64_t row_words = (std::ssize(ones) + kWordBits - 1) / kWordBits, n_blocks = n_words / kBlockWords;
  std::int64_t saved = 0;
  std::vector<bool> chosen(ones.size());
  for (std::size_t c = 0; c < ones.size(); ++c) {
    const std::int64_t blocks = ones[c] / kBlockBits + 1;
    const std::int64_t projected =
        ones[c] * (10 + 4 * row_words) + blocks * 700 * row_words + n_sets[c] * (3 * blocks + 100);
    const std::int64_t whole = n_sets[c] * 3 * n_blocks;
    chosen[c] = 3 * projected < 2 * whole;  // estimates: only where it is clear
    if (chosen[c]) saved += whole - projected;
  }
  if (saved < n_blocks * row_words * 1500) chosen.assign(ones.size(), false);
  return chosen;
}

void append(ItemsetList& list, Items items, std::int64_t number) {
  list.items.insert(list.items.end(), items.begin(), items.end());
  list.offsets.push_back(std::ssize(list.items));
  list.numbers.push_back(number);
}

// Itemsets begin … end - 1, but for those that are empty or counted by rows.
ItemsetList list_of(const Itemsets& itemsets, std::int64_t begin, std::int64_t end, const RowTally& by_rows) {
  ItemsetList list;
  list.items.reserve(static_cast<std::size_t>(itemsets.offsets[end] - itemsets.offsets[begin]));
  list.offsets.reserve(static_cast<std::size_t>(end - begin) + 1);
  list.numbers.reserve(static_cast<std::size_t>(end - begin));
  for (std::int64_t s = begin; s < end; ++s)
    if (itemsets.offsets[s] < itemsets.offsets[s + 1] && !by_rows.has(s - begin))
      append(list, items_of(itemsets, s), s);
  return list;
}

}  // namespace

SplitItemsets split(const std::vector<std::int64_t>& ones, std::int64_t n_words, const Itemsets& itemsets,
                    std::int64_t begin, std::int64_t end, const RowTally& by_rows) {
  SplitItemsets result;
  std::vector<bool> chosen(ones.size());
  std::vector<std::int64_t> n_sets(ones.size(), 0);
  const auto rarest = [&](Items items) {
    return *std::min_element(items.begin(), items.end(), [&](std::int32_t a, std::int32_t b) {
      return ones[static_cast<std::size_t>(a)] < ones[static_cast<std::size_t>(b)];
    });
  };
  if (!ones.empty()) {
    for (std::int64_t s = begin; s < end; ++s)
      if (const Items items = items_of(itemsets, s); items.size() > 1 && !by_rows.has(s - begin))
        ++n_sets[static_cast<std::size_t>(rarest(items))];
    chosen = chosen_pivots(ones, n_sets, n_words);
  }
  std::vector<std::int32_t> pivot_of(ones.size(), -1);
  for (std::size_t c = 0; c < ones.size(); ++c)
    if (chosen[c]) {
      pivot_of[c] = static_cast<std::int32_t>(result.pivots.size());
      result.pivots.push_back({static_cast<std::int32_t>(c), {}});
    }
  if (result.pivots.empty()) {
    result.whole = list_of(itemsets, begin, end, by_rows);
    return result;
  }
  std::vector<std::int32_t> rest, number_of(ones.size(), -1);
  for (std::int64_t s = begin; s < end; ++s) {
    const Items items = items_of(itemsets, s);
    if (items.empty() || by_rows.has(s - begin)) continue;
    const std::int32_t pivot = items.size() > 1 ? pivot_of[static_cast<std::size_t>(rarest(items))] : -1;
    if (pivot < 0) {
      append(result.whole, items, s);
      continue;
    }
    Pivot& to = result.pivots[static_cast<std::size_t>(pivot)];
    const auto itself = std::find(items.begin(), items.end(), to.column);
    rest.assign(items.begin(), itself);
    rest.insert(rest.end(), itself + 1, items.end());
    append(to.itemsets, rest, s);
    for (const std::int32_t item : items) number_of[static_cast<std::size_t>(item)] = 0;
  }
  for (std::size_t c = 0; c < ones.size(); ++c)
    if (number_of[c] == 0) {
      number_of[c] = static_cast<std::int32_t>(result.pivot_columns.size());
      result.pivot_columns.push_back(static_cast<std::int32_t>(c));
    }
  for (Pivot& pivot : result.pivots) {
    pivot.column = number_of[static_cast<std::size_t>(pivot.column)];
    for (std::int32_t& item : pivot.itemsets.items) item = number_of[static_cast<std::size_t>(item)];
  }
  return result;
}

void count_among_rows(const Columns& columns, std::int64_t n_words, const SplitItemsets& split, std::int64_t* out,
                      int n_threads, const Monitor& monitor) {
  struct Scratch {
    std::vector<std::uint32_t> slots;
    BitTable rows;
    Columns columns;
    std::vector<std::int64_t> sums;
  };
  const auto n_pivots = static_cast<std::int64_t>(split.pivots.size());
  const std::size_t n_columns = split.pivot_columns.size();
  std::vector<std::unique_ptr<const CountPlan>> plans(split.pivots.size());
  parallel_for(n_pivots, n_threads, monitor, [&](std::int64_t task, int, Watch&) {
    const auto p = static_cast<std::size_t>(task);
    const Itemsets itemsets = split.pivots[p].itemsets.view();
    plans[p] = std::make_unique<const CountPlan>(itemsets, 0, itemsets.size, n_columns, false);
  });
  std::vector<Scratch> scratch(static_cast<std::size_t>(n_threads));
  const std::int64_t row_words = (static_cast<std::int64_t>(n_columns) + kWordBits - 1) / kWordBits;
  const std::int64_t n_blocks = std::max<std::int64_t>(kMaxRowBytes / (row_words * kBlockBits * 8), 1);
  for (std::int64_t word = 0; word < n_words; word += n_blocks * kBlockWords) {
    Columns part;
    for (const std::int32_t c : split.pivot_columns) part.push_back(columns[static_cast<std::size_t>(c)] + word);
    BitTable table(std::move(part), std::min(n_blocks * kBlockWords, n_words - word));
    table.make_rows(n_threads, monitor);
    parallel_for(n_pivots, n_threads, monitor, [&](std::int64_t task, int thread, Watch&) {
      Scratch& own = scratch[static_cast<std::size_t>(thread)];
      const Pivot& pivot = split.pivots[static_cast<std::size_t>(task)];
      const CountPlan& plan = *plans[static_cast<std::size_t>(task)];
      table.slots_of(table.column(pivot.column), own.slots);
      std::vector<std::int32_t> kept = plan.columns();
      std::sort(kept.begin(), kept.end());
      own.rows.project(table, own.slots, kept);
      own.columns.clear();
      for (const std::int32_t c : plan.columns()) {
        const auto at = std::lower_bound(kept.begin(), kept.end(), c) - kept.begin();
        own.columns.push_back(own.rows.column(static_cast<std::int32_t>(at)));
      }
      own.sums.assign(plan.n_counts(), 0);
      plan.run(own.columns, own.rows.n_words(), own.sums.data());
      for (std::size_t i = 0; i < own.sums.size(); ++i)
        if (plan.itemset_of(i) >= 0)
          out[pivot.itemsets.numbers[static_cast<std::size_t>(plan.itemset_of(i))]] += own.sums[i];
    });
  }
}

}  // namespace askew
