#include "cpu/kernels.hpp"
#include "cpu/simd.hpp"

namespace askew {
namespace {

constexpr std::int64_t kMinItemsetsPerTask = 16, kMaxItemsetsPerTask = 512;
constexpr std::int64_t kWordsPerBlock = 1024;  // 8 KiB of a column: a hundred columns stay in the L2 cache

}  // namespace

void count(const Columns& columns, std::int64_t n, const Itemsets& itemsets, std::int64_t* out, int n_threads,
           const Monitor& monitor) {
  const SimdKernels& kernels = simd();
  const std::int64_t n_words = words_for(n);
  const std::int64_t per_task = std::clamp(itemsets.size / (4 * n_threads), kMinItemsetsPerTask, kMaxItemsetsPerTask);
  const std::int64_t n_tasks = (itemsets.size + per_task - 1) / per_task;
  parallel_for(n_tasks, n_threads, monitor, [&](std::int64_t task, int thread, Watch& watch) {
    const std::int64_t first = task * per_task, last = std::min(itemsets.size, first + per_task);
    std::vector<const Word*> members;
    for (std::int64_t i = itemsets.offsets[first]; i < itemsets.offsets[last]; ++i)
      members.push_back(columns[static_cast<std::size_t>(itemsets.items[i])]);
    for (std::int64_t s = first; s < last; ++s) out[s] = itemsets.offsets[s] == itemsets.offsets[s + 1] ? n : 0;
    for (std::int64_t begin = 0; begin < n_words; begin += kWordsPerBlock) {
      watch.check(thread);
      const std::int64_t size = std::min(kWordsPerBlock, n_words - begin);
      for (std::int64_t s = first; s < last; ++s) {
        const std::int64_t k = itemsets.offsets[s + 1] - itemsets.offsets[s];
        if (k > 0)
          out[s] += kernels.and_count(members.data() + (itemsets.offsets[s] - itemsets.offsets[first]), k, begin, size);
      }
    }
  });
}

}  // namespace askew
