// Depth-first mining on bitmaps (Eclat; Zaki 2000): an itemset is extended by those columns only that extended its
// prefix.
#include "cpu/kernels.hpp"
#include "cpu/simd.hpp"

namespace askew {
namespace {

using Bitmaps = std::vector<std::vector<Word>>;  // one per table

class Miner {
 public:
  Miner(const std::vector<MiningTable>& tables, std::int64_t min_count, std::int64_t max_size, std::int64_t max_sets,
        std::atomic<std::int64_t>& n_found)
      : tables_(tables), min_count_(min_count), max_size_(max_size), max_sets_(max_sets), n_found_(n_found) {}

  // Whether the conjunction of bitmap t and column c of each table t reaches the support everywhere.
  bool reaches(const std::vector<const Word*>& bitmaps, std::int32_t column) const {
    for (std::size_t t = 0; t < tables_.size(); ++t) {
      const MiningTable& table = tables_[t];
      const Word* conjunction[3] = {table.columns[static_cast<std::size_t>(column)], bitmaps[t], nullptr};
      const std::int64_t k = bitmaps[t] == nullptr ? 1 : 2;
      if (table.masks.empty() && kernels_.and_count(conjunction, k, 0, table.n_words) < min_count_) return false;
      for (const Word* mask : table.masks) {
        conjunction[k] = mask;
        if (kernels_.and_count(conjunction, k + 1, 0, table.n_words) < min_count_) return false;
      }
    }
    return true;
  }

  // Records `prefix`, whose bitmaps are given, and everything that extends it by columns of `extensions`.
  void visit(std::vector<std::int32_t>& prefix, const std::vector<const Word*>& bitmaps,
             const std::vector<std::int32_t>& extensions, Watch& watch, int thread) {
    if (++n_found_ > max_sets_) return;
    found.items.insert(found.items.end(), prefix.begin(), prefix.end());
    found.offsets.push_back(static_cast<std::int64_t>(found.items.size()));
    if (static_cast<std::int64_t>(prefix.size()) >= max_size_) return;
    std::vector<std::int32_t> next;
    for (const std::int32_t column : extensions) {
      watch.check(thread);
      if (reaches(bitmaps, column)) next.push_back(column);
    }
    if (next.empty()) return;
    Bitmaps longer(tables_.size());
    std::vector<const Word*> views(tables_.size());
    for (std::size_t t = 0; t < tables_.size(); ++t) longer[t].resize(static_cast<std::size_t>(tables_[t].n_words));
    for (std::size_t i = 0; i < next.size() && n_found_ <= max_sets_; ++i) {
      for (std::size_t t = 0; t < tables_.size(); ++t) {
        const Word* both[2] = {bitmaps[t], tables_[t].columns[static_cast<std::size_t>(next[i])]};
        kernels_.and_columns(both, 2, 0, tables_[t].n_words, longer[t].data());
        views[t] = longer[t].data();
      }
      prefix.push_back(next[i]);
      visit(prefix, views, {next.begin() + static_cast<std::ptrdiff_t>(i) + 1, next.end()}, watch, thread);
      prefix.pop_back();
    }
  }

  MinedItemsets found{{}, {0}};

 private:
  const SimdKernels& kernels_ = simd();
  const std::vector<MiningTable>& tables_;
  const std::int64_t min_count_, max_size_, max_sets_;
  std::atomic<std::int64_t>& n_found_;
};

MinedItemsets by_size(const std::vector<MinedItemsets>& parts) {
  std::size_t longest = 0;
  for (const MinedItemsets& part : parts)
    for (std::size_t s = 1; s < part.offsets.size(); ++s)
      longest = std::max(longest, static_cast<std::size_t>(part.offsets[s] - part.offsets[s - 1]));
  MinedItemsets all{{}, {0}};
  for (std::size_t size = 1; size <= longest; ++size)
    for (const MinedItemsets& part : parts)
      for (std::size_t s = 1; s < part.offsets.size(); ++s)
        if (static_cast<std::size_t>(part.offsets[s] - part.offsets[s - 1]) == size) {
          all.items.insert(all.items.end(), part.items.begin() + part.offsets[s - 1],
                           part.items.begin() + part.offsets[s]);
          all.offsets.push_back(static_cast<std::int64_t>(all.items.size()));
        }
  return all;
}

}  // namespace

std::optional<MinedItemsets> mine(const std::vector<MiningTable>& tables, std::int64_t min_count, std::int64_t max_size,
                                  std::int64_t max_sets, int n_threads, const Monitor& monitor) {
  std::atomic<std::int64_t> n_found{0};
  std::vector<std::int32_t> frequent;
  const std::vector<const Word*> everything(tables.size(), nullptr);
  const Miner single(tables, min_count, max_size, max_sets, n_found);
  const auto n_columns = static_cast<std::int32_t>(max_size > 0 ? tables.front().columns.size() : 0);
  std::vector<char> reaches(static_cast<std::size_t>(n_columns));
  parallel_for(n_columns, n_threads, monitor, [&](std::int64_t column, int, Watch&) {
    reaches[static_cast<std::size_t>(column)] = single.reaches(everything, static_cast<std::int32_t>(column));
  });
  for (std::int32_t column = 0; column < n_columns; ++column)
    if (reaches[static_cast<std::size_t>(column)]) frequent.push_back(column);

  std::vector<MinedItemsets> parts(frequent.size());
  parallel_for(static_cast<std::int64_t>(frequent.size()), n_threads, monitor,
               [&](std::int64_t task, int thread, Watch& watch) {
                 const auto first = static_cast<std::size_t>(task);
                 Miner miner(tables, min_count, max_size, max_sets, n_found);
                 std::vector<std::int32_t> prefix{frequent[first]};
                 std::vector<const Word*> bitmaps;
                 bitmaps.reserve(tables.size());
                 for (const MiningTable& table : tables)
                   bitmaps.push_back(table.columns[static_cast<std::size_t>(prefix[0])]);
                 miner.visit(prefix, bitmaps, {frequent.begin() + task + 1, frequent.end()}, watch, thread);
                 parts[first] = std::move(miner.found);
               });
  if (n_found > max_sets) return std::nullopt;
  return by_size(parts);
}

}  // namespace askew
