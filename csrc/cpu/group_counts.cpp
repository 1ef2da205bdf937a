#include "cpu/group_counts.hpp"

#include "cpu/simd.hpp"

namespace askew {

void GroupCounts::count(const Node& node) {
  const SimdKernels& kernels = simd();
  const Base& base = *node.base;
  std::size_t n_groups = 0;
  for (std::size_t t = 0; t < base.tables.size(); ++t) n_groups += static_cast<std::size_t>(base.n_groups(t));
  n_extensions_ = node.extensions->size();
  counts_.assign(n_groups * n_extensions_, 0);
  std::int64_t* counts = counts_.data();
  constexpr std::size_t kStep = kTile;
  for (std::size_t t = 0; t < base.tables.size(); ++t) {
    const BitTable& table = base.tables[t];
    columns_.clear();
    for (const Extension& extension : *node.extensions) columns_.push_back(table.column(extension.column));
    groups_.clear();
    for (std::int32_t g = base.first_group(t); g < table.n_columns(); ++g) groups_.push_back(table.column(g));
    const std::int64_t n_prefix = node.rows[t] == nullptr ? 0 : 1;
    for (std::size_t c = 0; c < columns_.size(); c += kStep)
      for (std::size_t g = 0; g < groups_.size(); g += kStep)
        kernels.count_tile(&node.rows[t], n_prefix, groups_.data() + g,
                           static_cast<int>(std::min(kStep, groups_.size() - g)), columns_.data() + c,
                           static_cast<int>(std::min(kStep, columns_.size() - c)), table.n_words(),
                           counts + g * n_extensions_ + c, static_cast<std::int64_t>(n_extensions_), nullptr);
    counts += groups_.size() * n_extensions_;
  }
}

}  // namespace askew
