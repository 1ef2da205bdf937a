#include "cpu/count_plan.hpp"

#include <numeric>
#include <span>
#include <tuple>

#include "cpu/simd.hpp"

namespace askew {
namespace {

using Items = std::span<const std::int32_t>;

Items items_of(const Itemsets& itemsets, std::int64_t s) {
  return {itemsets.items + itemsets.offsets[s], itemsets.items + itemsets.offsets[s + 1]};
}

// All columns but the last; of a single column, this one.
Items stem_of(const Itemsets& itemsets, std::int64_t s) {
  const Items items = items_of(itemsets, s);
  return items.first(std::max<std::size_t>(items.size() - 1, 1));
}

// Rises with the length of the stem, then with its first columns.
constexpr int kKeyColumns = 3, kKeyBits = 18;

std::uint64_t key_of(Items stem) {
  constexpr std::uint64_t kMost = (1 << kKeyBits) - 1;
  std::uint64_t key = std::min<std::uint64_t>(stem.size(), 1023);
  for (std::size_t i = 0; i < kKeyColumns; ++i)
    key = key << kKeyBits | (i < stem.size() ? std::min<std::uint64_t>(static_cast<std::uint64_t>(stem[i]), kMost) : 0);
  return key;
}

// Numbers begin … end - 1 of itemsets, so that those of the same stem stand side by side, and those of nearly the same.
std::vector<std::int64_t> by_stem(const Itemsets& itemsets, std::int64_t begin, std::int64_t end,
                                  std::size_t n_columns) {
  const std::uint64_t first_long = std::uint64_t{kKeyColumns + 1} << kKeyColumns * kKeyBits;
  const std::uint64_t tells_apart = n_columns < std::size_t{1} << kKeyBits ? first_long : 0;  // keys below
  std::vector<std::pair<std::uint64_t, std::int64_t>> keyed;
  keyed.reserve(static_cast<std::size_t>(end - begin));
  for (std::int64_t s = begin; s < end; ++s) keyed.emplace_back(key_of(stem_of(itemsets, s)), s);
  const auto before = [&](const auto& a, const auto& b) {
    if (a.first != b.first) return a.first < b.first;
    if (a.first < tells_apart) return a.second < b.second;
    const Items x = stem_of(itemsets, a.second), y = stem_of(itemsets, b.second);
    if (x.size() != y.size()) return x.size() < y.size();
    const auto [i, j] = std::mismatch(x.begin(), x.end(), y.begin());
    return i == x.end() ? a.second < b.second : *i < *j;
  };
  if (!std::is_sorted(keyed.begin(), keyed.end(), before)) std::sort(keyed.begin(), keyed.end(), before);
  std::vector<std::int64_t> order;
  order.reserve(keyed.size());
  for (const auto& [key, s] : keyed) order.push_back(s);
  return order;
}

}  // namespace

// Itemsets order[begin] … order[end - 1], which have the same stem.
struct CountPlan::Group {
  Items prefix;      // but for its last column,
  std::int32_t row;  // which is this one
  std::size_t begin, end;
};

CountPlan::CountPlan(const Itemsets& itemsets, std::int64_t begin, std::int64_t end, std::size_t n_columns,
                     bool reorder)
    : itemsets_(itemsets), numbers_(n_columns, 0) {
  std::vector<std::int64_t> order;
  if (reorder) {
    order = by_stem(itemsets, begin, end, n_columns);
  } else {
    order.resize(static_cast<std::size_t>(end - begin));
    std::iota(order.begin(), order.end(), begin);
  }
  std::vector<Group> groups;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Items stem = stem_of(itemsets, order[i]);
    if (i > 0 && std::ranges::equal(stem, stem_of(itemsets, order[i - 1])))
      ++groups.back().end;
    else
      groups.push_back({stem.first(stem.size() - 1), stem.back(), i, i + 1});
  }
  for (std::size_t g = 0; g < groups.size();) {
    std::size_t n_rows = 1;
    while (n_rows < kTile && g + n_rows < groups.size() &&
           std::ranges::equal(groups[g].prefix, groups[g + n_rows].prefix))
      ++n_rows;
    while (!add(&groups[g], n_rows, order)) n_rows = 1;
    g += n_rows;
  }
}

std::uint32_t CountPlan::number_of(std::int32_t item) {
  std::uint32_t& number = numbers_[static_cast<std::size_t>(item)];
  if (number == 0) {
    used_.push_back(item);
    number = static_cast<std::uint32_t>(used_.size());
  }
  return number - 1;
}

// Steps for groups of the same prefix; none, and false, where several rows have too few tails in common.
bool CountPlan::add(const Group* groups, std::size_t n_rows, const std::vector<std::int64_t>& order) {
  const auto before = [](const Entry& a, const Entry& b) {
    return std::tie(a.tail, a.row, a.itemset) < std::tie(b.tail, b.row, b.itemset);
  };
  entries_.clear();
  for (std::uint32_t r = 0; r < n_rows; ++r) {
    const auto n_before = std::ssize(entries_);
    for (std::size_t i = groups[r].begin; i < groups[r].end; ++i)
      entries_.push_back({items_of(itemsets_, order[i]).back(), r, order[i], 0});
    if (n_rows == 1) continue;
    const auto own = entries_.begin() + n_before;
    if (!std::is_sorted(own, entries_.end(), before)) std::sort(own, entries_.end(), before);
    std::inplace_merge(entries_.begin(), own, entries_.end(), before);
  }
  std::size_t n_tails = 0;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const bool shared = i > 0 && entries_[i].tail == entries_[i - 1].tail && entries_[i].row != entries_[i - 1].row;
    entries_[i].slot = shared ? n_tails - 1 : n_tails++;
  }
  if (n_rows > 1 && 4 * entries_.size() < 3 * n_rows * n_tails) return false;

  const std::size_t first_step = steps_.size();
  const auto n_prefix = static_cast<std::int32_t>(groups[0].prefix.size());
  for (std::size_t t = 0; t < n_tails; t += kTile) {
    const std::size_t n_here = std::min<std::size_t>(kTile, n_tails - t);
    steps_.push_back({static_cast<std::uint8_t>(n_rows), static_cast<std::uint8_t>(n_here), n_prefix, members_.size(),
                      itemset_of_.size()});
    for (const std::int32_t item : groups[0].prefix) members_.push_back(number_of(item));
    for (std::size_t r = 0; r < n_rows; ++r) members_.push_back(number_of(groups[r].row));
    members_.resize(members_.size() + n_here);
    itemset_of_.resize(itemset_of_.size() + n_rows * n_here, -1);
  }
  for (const Entry& entry : entries_) {
    const Step& step = steps_[first_step + entry.slot / kTile];
    const std::size_t t = entry.slot % kTile;
    members_[step.members + static_cast<std::size_t>(n_prefix) + n_rows + t] = number_of(entry.tail);
    itemset_of_[step.counts + entry.row * step.n_tails + t] = entry.itemset;
  }
  return true;
}

void CountPlan::run(const Columns& columns, std::int64_t n_words, std::int64_t* sums, const Columns& next) const {
  const SimdKernels& kernels = simd();
  Columns members;
  std::size_t n_fetched = 0;
  for (const Step& step : steps_) {
    const auto n_prefix = static_cast<std::size_t>(step.n_prefix);
    members.resize(n_prefix + step.n_rows + step.n_tails);
    for (std::size_t i = 0; i < members.size(); ++i) members[i] = columns[members_[step.members + i]];
    const Word* const* rows = members.data() + n_prefix;
    kernels.count_tile(members.data(), step.n_prefix, rows, step.n_rows, rows + step.n_rows, step.n_tails, n_words,
                       sums + step.counts, step.n_tails, n_fetched < next.size() ? next[n_fetched++] : nullptr);
  }
}

}  // namespace askew
