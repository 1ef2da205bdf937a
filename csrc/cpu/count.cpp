#include <mutex>

#include "cpu/buffer.hpp"
#include "cpu/count_plan.hpp"
#include "cpu/kernels.hpp"

namespace askew {
namespace {

constexpr std::int64_t kSetsPerPlan = 1 << 15;
constexpr std::int64_t kBlockWords = 3 << 15;      // of all columns together: 768 KiB, which stay in the L2 cache
constexpr std::int64_t kWordsToReorder = 1 << 10;  // of a column, below which a better order costs more than it saves

}  // namespace

void count(const Columns& columns, std::int64_t n, const Itemsets& itemsets, std::int64_t* out, int n_threads,
           const Monitor& monitor) {
  const std::int64_t n_words = words_for(n);
  const std::int64_t fitting = kBlockWords / std::max<std::int64_t>(std::ssize(columns), 1) / 8 * 8;
  const std::int64_t block = std::clamp<std::int64_t>(fitting, 128, 1024);
  for (std::int64_t s = 0; s < itemsets.size; ++s) out[s] = itemsets.offsets[s] == itemsets.offsets[s + 1] ? n : 0;

  // There is work for every thread, with few itemsets in many rows and the other way round.
  const std::int64_t n_tasks = 8 * n_threads, n_blocks = (n_words + block - 1) / block;
  const std::int64_t n_ranges = std::min(n_tasks, n_blocks);
  const std::int64_t wanted_plans = (n_tasks + n_ranges - 1) / std::max<std::int64_t>(n_ranges, 1);
  const std::int64_t per_plan = std::clamp<std::int64_t>(itemsets.size / wanted_plans, 256, kSetsPerPlan);
  const std::int64_t n_plans = (itemsets.size + per_plan - 1) / per_plan;
  std::vector<std::unique_ptr<const CountPlan>> plans(static_cast<std::size_t>(n_plans));
  const auto plan_of = [&](std::int64_t p) {
    return std::make_unique<const CountPlan>(columns, itemsets, p * per_plan,
                                             std::min(itemsets.size, (p + 1) * per_plan), n_words >= kWordsToReorder);
  };
  if (n_ranges > 1)
    parallel_for(n_plans, n_threads, monitor,
                 [&](std::int64_t p, int, Watch&) { plans[static_cast<std::size_t>(p)] = plan_of(p); });
  std::mutex mutex;
  parallel_for(n_plans * n_ranges, n_threads, monitor, [&](std::int64_t task, int thread, Watch& watch) {
    std::unique_ptr<const CountPlan>& shared = plans[static_cast<std::size_t>(task / n_ranges)];
    const std::unique_ptr<const CountPlan> own = n_ranges > 1 ? nullptr : plan_of(task);
    const CountPlan& plan = own ? *own : *shared;
    const std::int64_t range = task % n_ranges, last = (range + 1) * n_blocks / n_ranges;
    std::vector<std::int64_t> sums(plan.n_counts(), 0);
    Buffer buffer;
    for (std::int64_t b = range * n_blocks / n_ranges; b < last; ++b) {
      watch.check(thread);
      plan.run(b * block, std::min(block, n_words - b * block), buffer, sums.data());
    }
    const std::lock_guard<std::mutex> lock(mutex);
    for (std::size_t i = 0; i < sums.size(); ++i)
      if (plan.itemset_of(i) >= 0) out[plan.itemset_of(i)] += sums[i];
  });
}

}  // namespace askew
