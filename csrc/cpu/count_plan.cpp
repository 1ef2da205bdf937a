#include "cpu/count_plan.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "cpu/items.hpp"
#include "cpu/simd.hpp"

namespace askew {
namespace {

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
bool CountPlan::add(const Group* groups, std::size_t n_rows, std::vector<std::int64_t>& order) {
  const auto tail_of = [&](std::int64_t s) { return itemsets_.items[itemsets_.offsets[s + 1] - 1]; };
  std::size_t next[kTile], n_itemsets = 0;  // next: the first of each row that has no slot yet
  for (std::size_t r = 0; r < n_rows; ++r) {
    const auto begin = order.begin() + static_cast<std::ptrdiff_t>(groups[r].begin);
    const auto end = order.begin() + static_cast<std::ptrdiff_t>(groups[r].end);
    if (!std::ranges::is_sorted(begin, end, {}, tail_of)) std::ranges::sort(begin, end, {}, tail_of);
    next[r] = groups[r].begin;
    n_itemsets += groups[r].end - groups[r].begin;
  }
  slots_.clear();
  for (std::size_t n_left = n_itemsets; n_left > 0;) {
    std::int32_t tail = std::numeric_limits<std::int32_t>::max();
    for (std::size_t r = 0; r < n_rows; ++r)
      if (next[r] < groups[r].end) tail = std::min(tail, tail_of(order[next[r]]));
    Slot& slot = slots_.emplace_back();
    slot.tail = tail;
    std::ranges::fill(slot.itemsets, -1);
    for (std::size_t r = 0; r < n_rows; ++r) {
      if (next[r] == groups[r].end || tail_of(order[next[r]]) != tail) continue;
      slot.itemsets[r] = order[next[r]++];
      --n_left;
    }
  }
  if (n_rows > 1 && 4 * n_itemsets < 3 * n_rows * slots_.size()) return false;

  for (std::size_t first = 0; first < slots_.size(); first += kTile) {
    const std::span<const Slot> tile =
        std::span(slots_).subspan(first, std::min<std::size_t>(kTile, slots_.size() - first));
    steps_.push_back({static_cast<std::uint8_t>(n_rows), static_cast<std::uint8_t>(tile.size()),
                      static_cast<std::int32_t>(groups[0].prefix.size()), members_.size(), itemset_of_.size()});
    for (const std::int32_t item : groups[0].prefix) members_.push_back(number_of(item));
    for (std::size_t r = 0; r < n_rows; ++r) members_.push_back(number_of(groups[r].row));
    for (const Slot& slot : tile) members_.push_back(number_of(slot.tail));
    for (std::size_t r = 0; r < n_rows; ++r)
      for (const Slot& slot : tile) itemset_of_.push_back(slot.itemsets[r]);
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
