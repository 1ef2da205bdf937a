// Counting itemsets in columns: those that stand side by side and differ in the last column only are counted together,
// and where the others are single columns, as in a list of all pairs, four of them with the same last columns.
#include <mutex>
#include <tuple>

#include "cpu/kernels.hpp"
#include "cpu/simd.hpp"

namespace askew {
namespace {

constexpr std::int64_t kSetsPerPlan = 1 << 14;
constexpr std::int64_t kBlockWords = 1 << 17;  // of all columns together: 1 MiB, which stays in the L2 cache
constexpr std::int64_t kShortWords = 64;       // of a column that is read before a plan for it would be made

// What one call of an inner loop counts: `rows` columns, each with every tail; or tails that extend one prefix.
struct Step {
  bool tile;
  std::uint8_t n_tails;
  std::int32_t n_columns;      // in the prefix, or rows
  std::size_t columns, counts;  // where they begin in the plan
};

class Plan {
 public:
  Plan(const Columns& columns, const Itemsets& itemsets, std::int64_t begin, std::int64_t end)
      : columns_(columns), itemsets_(itemsets) {
    std::vector<Group> groups;
    for (std::int64_t s = begin; s < end; ++s) {
      const std::int64_t size = size_of(s);
      if (size == 0) continue;
      // a set of one column is its own prefix and its own tail
      const Group group{items_of(s), std::max<std::int64_t>(size - 1, 1), s, s + 1};
      if (!groups.empty() && groups.back().end == s && size > 1 && same_prefix(groups.back(), group))
        ++groups.back().end;
      else
        groups.push_back(group);
    }
    for (std::size_t g = 0; g < groups.size();)
      if (g + kTile <= groups.size() && add_tiles(groups.data() + g))
        g += kTile;
      else
        add_extensions(groups[g++]);
  }

  // Adds the counts of the rows in words begin … end - 1 to sums, one for each of n_counts().
  void run(std::int64_t begin, std::int64_t end, std::int64_t block, std::int64_t* sums, Watch& watch,
           int thread) const {
    const SimdKernels& kernels = simd();
    for (std::int64_t word = begin; word < end; word += block) {
      watch.check(thread);
      const std::int64_t n_words = std::min(block, end - word);
      for (const Step& step : steps_) {
        const Word* const* columns = members_.data() + step.columns;
        const Word* const* tails = columns + step.n_columns;
        if (!step.tile) {
          kernels.count_extensions(columns, step.n_columns, tails, step.n_tails, word, n_words, sums + step.counts);
          continue;
        }
        const Word *row[kTile], *tail[kTile];
        for (int i = 0; i < kTile; ++i) row[i] = columns[i] + word;
        for (int i = 0; i < step.n_tails; ++i) tail[i] = tails[i] + word;
        kernels.count_tile(row, kTile, tail, step.n_tails, n_words, sums + step.counts, kTile);
      }
    }
  }

  std::size_t n_counts() const { return itemset_of_.size(); }
  std::int64_t itemset_of(std::size_t count) const { return itemset_of_[count]; }  // negative: nobody asked

 private:
  struct Group {  // itemsets begin … end - 1, of the same columns but for the last one
    const std::int32_t* prefix;
    std::int64_t n_prefix;
    std::int64_t begin, end;
  };

  const std::int32_t* items_of(std::int64_t s) const { return itemsets_.items + itemsets_.offsets[s]; }
  std::int64_t size_of(std::int64_t s) const { return itemsets_.offsets[s + 1] - itemsets_.offsets[s]; }
  std::int32_t tail_of(std::int64_t s) const { return items_of(s)[size_of(s) - 1]; }
  const Word* bits_of(std::int32_t item) const { return columns_[static_cast<std::size_t>(item)]; }

  static bool same_prefix(const Group& a, const Group& b) {
    return a.n_prefix == b.n_prefix && std::equal(a.prefix, a.prefix + a.n_prefix, b.prefix);
  }

  void add_extensions(const Group& group) {
    for (std::int64_t s = group.begin; s < group.end; s += kTile) {
      const std::int64_t n_tails = std::min<std::int64_t>(kTile, group.end - s);
      steps_.push_back({false, static_cast<std::uint8_t>(n_tails), static_cast<std::int32_t>(group.n_prefix),
                        members_.size(), itemset_of_.size()});
      for (std::int64_t j = 0; j < group.n_prefix; ++j) members_.push_back(bits_of(group.prefix[j]));
      for (std::int64_t t = s; t < s + n_tails; ++t) {
        members_.push_back(bits_of(tail_of(t)));
        itemset_of_.push_back(t);
      }
    }
  }

  // Four groups of single columns, if they have so many last columns in common that it pays.
  bool add_tiles(const Group* groups) {
    std::vector<Entry>& entries = entries_;
    entries.clear();
    for (int r = 0; r < kTile; ++r) {
      if (groups[r].n_prefix != 1) return false;
      for (std::int64_t s = groups[r].begin; s < groups[r].end; ++s) entries.push_back({tail_of(s), r, s});
    }
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return std::tie(a.tail, a.row, a.itemset) < std::tie(b.tail, b.row, b.itemset);
    });
    std::size_t n_tails = 0;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const bool new_tail = i == 0 || entries[i].tail != entries[i - 1].tail || entries[i].row == entries[i - 1].row;
      n_tails += new_tail;
      entries[i].slot = n_tails - 1;
    }
    if (4 * entries.size() < 3 * kTile * n_tails) return false;
    const std::size_t first_count = itemset_of_.size(), first_step = steps_.size();
    itemset_of_.resize(first_count + (n_tails + kTile - 1) / kTile * kTile * kTile, -1);
    for (std::size_t t = 0; t < n_tails; t += kTile) {
      steps_.push_back({true, static_cast<std::uint8_t>(std::min<std::size_t>(kTile, n_tails - t)), kTile,
                        members_.size(), first_count + t * kTile});
      for (int r = 0; r < kTile; ++r) members_.push_back(bits_of(*groups[r].prefix));
      members_.resize(members_.size() + steps_.back().n_tails);
    }
    for (const Entry& entry : entries) {
      const Step& step = steps_[first_step + entry.slot / kTile];
      members_[step.columns + kTile + entry.slot % kTile] = bits_of(entry.tail);
      itemset_of_[step.counts + static_cast<std::size_t>(entry.row) * kTile + entry.slot % kTile] = entry.itemset;
    }
    return true;
  }

  struct Entry {
    std::int32_t tail;
    int row;
    std::int64_t itemset;
    std::size_t slot = 0;
  };

  const Columns& columns_;
  const Itemsets& itemsets_;
  std::vector<Step> steps_;
  std::vector<const Word*> members_;
  std::vector<std::int64_t> itemset_of_;
  std::vector<Entry> entries_;
};

}  // namespace

void count(const Columns& columns, std::int64_t n, const Itemsets& itemsets, std::int64_t* out, int n_threads,
           const Monitor& monitor) {
  const std::int64_t n_words = words_for(n);
  const std::int64_t n_plans = (itemsets.size + kSetsPerPlan - 1) / kSetsPerPlan;
  for (std::int64_t s = 0; s < itemsets.size; ++s) out[s] = itemsets.offsets[s] == itemsets.offsets[s + 1] ? n : 0;
  std::vector<std::unique_ptr<const Plan>> plans(static_cast<std::size_t>(n_plans));
  parallel_for(n_plans, n_threads, monitor, [&](std::int64_t task, int, Watch&) {
    plans[static_cast<std::size_t>(task)] =
        std::make_unique<const Plan>(columns, itemsets, task * kSetsPerPlan,
                               std::min(itemsets.size, (task + 1) * kSetsPerPlan));
  });
  // Few itemsets in many rows, or the other way round: every thread gets its share.
  const auto fitting = kBlockWords / std::max<std::int64_t>(std::ssize(columns), 1) / 8 * 8;
  const std::int64_t block = std::clamp<std::int64_t>(fitting, 128, 2048);
  const std::int64_t n_blocks = (n_words + block - 1) / block;
  const std::int64_t n_ranges = std::clamp<std::int64_t>(4 * n_threads, 1, std::max<std::int64_t>(n_blocks, 1));
  std::mutex mutex;
  parallel_for(n_plans * n_ranges, n_threads, monitor, [&](std::int64_t task, int thread, Watch& watch) {
    const Plan& plan = *plans[static_cast<std::size_t>(task / n_ranges)];
    const std::int64_t range = task % n_ranges;
    std::vector<std::int64_t> sums(plan.n_counts());
    plan.run(range * n_blocks / n_ranges * block, std::min(n_words, (range + 1) * n_blocks / n_ranges * block), block,
             sums.data(), watch, thread);
    const std::lock_guard<std::mutex> lock(mutex);
    for (std::size_t i = 0; i < sums.size(); ++i)
      if (plan.itemset_of(i) >= 0) out[plan.itemset_of(i)] += sums[i];
  });
}

}  // namespace askew
