#include "cpu/group_counts.hpp"

#include <numeric>

#include "cpu/simd.hpp"

namespace askew {
namespace {

bool disjoint(const Columns& columns, std::int64_t n_words) {
  std::vector<Word> any(static_cast<std::size_t>(n_words), 0);
  for (const Word* column : columns) {
    Word twice = 0;
    for (std::size_t w = 0; w < any.size(); ++w) {
      twice |= any[w] & column[w];
      any[w] |= column[w];
    }
    if (twice != 0) return false;
  }
  return true;
}

}  // namespace

GroupCounts::GroupCounts(std::size_t n_groups) : sources_(n_groups), row_(n_groups) {
  std::iota(sources_.begin(), sources_.end(), 0);
}

bool GroupCounts::counts_any() const {
  return std::ranges::any_of(sources_, [](std::int32_t source) { return source >= 0; });
}

// A row without a single column is in no itemset: what holds for the rows of each column holds for all that matter.
GroupSources GroupCounts::sources(const Node& singles) {
  std::vector<bool> whole(sources_.size(), true);
  for (std::size_t e = 0; e < n_extensions_; ++e) {
    const std::int64_t* counts = of(singles, e);
    for (std::size_t g = 0; g < whole.size(); ++g)
      if (counts[g] != (*singles.extensions)[e].rows) whole[g] = false;
  }
  GroupSources sources(whole.size(), kWholeGroup);
  std::vector<std::size_t> parts;
  Columns columns;
  for (std::size_t g = 0; g < whole.size(); ++g) {
    if (whole[g]) continue;
    sources[g] = static_cast<std::int32_t>(parts.size());
    parts.push_back(g);
    columns.push_back(groups_[g]);
  }
  if (parts.empty() || !disjoint(columns, singles.base->tables[0].n_words())) return sources;
  for (std::size_t e = 0; e < n_extensions_; ++e) {
    const std::int64_t* counts = of(singles, e);
    std::int64_t left = (*singles.extensions)[e].rows;
    for (const std::size_t g : parts) left -= counts[g];
    if (left != 0) return sources;
  }
  sources[parts.back()] = kRestGroup;
  return sources;
}

const std::int64_t* GroupCounts::of(const Node& node, std::size_t e) {
  const std::int64_t support = (*node.extensions)[e].rows;
  std::int64_t rest = support;
  for (std::size_t g = 0; g < sources_.size(); ++g) {
    if (sources_[g] < 0) continue;
    row_[g] = counts_[static_cast<std::size_t>(sources_[g]) * n_extensions_ + e];
    rest -= row_[g];
  }
  for (std::size_t g = 0; g < sources_.size(); ++g)
    if (sources_[g] < 0) row_[g] = sources_[g] == kWholeGroup ? support : rest;
  return row_.data();
}

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
