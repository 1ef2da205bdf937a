// Depth-first mining on bitmaps (Eclat; Zaki 2000): an itemset is extended by those columns only that extended its
// prefix, rare columns first. What makes it fast: the pairs of extensions of an itemset are counted in register tiles;
// and where few rows contain the itemset, they are first copied to a table of their own. There, what is frequent is
// counted by group.
#include <deque>
#include <limits>
#include <mutex>

#include "cpu/found.hpp"
#include "cpu/group_counts.hpp"
#include "cpu/kernels.hpp"
#include "cpu/pair_counts.hpp"
#include "cpu/simd.hpp"
#include "cpu/word_buffer.hpp"

namespace askew {
namespace {

constexpr std::size_t kMaxStrip = 32;          // extensions that are combined with all later ones in one pass,
constexpr std::int64_t kStripWords = 1 << 30;  // which reads about as many words: a small part of a second
constexpr std::int64_t kRowBytes = 1 << 26;    // for a second copy, by rows, of the tables that are mined,
constexpr std::int64_t kCopyBytes = 3 << 25;   // and for copies of some of their rows by all threads
constexpr std::int64_t kWatchWords = 1 << 22;  // between two looks at the clock

struct Limits {
  std::int64_t min_count, max_size, max_sets;
  std::int64_t copy_bytes;  // for all copies of rows of a thread
};

// What visiting an itemset of a certain size takes, kept for the next one.
struct Level {
  std::vector<Extensions> next;
  std::vector<std::int32_t> items;
  std::vector<WordBuffer> rows;
  Base base;
  Extensions extensions;
  Node node;
};

std::size_t strip_of(const Node& node) {
  std::int64_t words = 1;
  for (const BitTable& table : node.base->tables) words += table.n_words();
  const std::int64_t fitting = kStripWords / (words * std::ssize(*node.extensions)) / kTile * kTile;
  return static_cast<std::size_t>(std::clamp<std::int64_t>(fitting, kTile, kMaxStrip));
}

class Miner {
 public:
  Miner(const Limits& limits, std::int64_t n_columns, std::size_t n_groups, std::atomic<std::int64_t>& n_found)
      : found(n_columns, n_groups), group_counts(n_groups), limits_(limits), n_found_(n_found) {}

  FoundItemsets found;
  GroupCounts group_counts;

  bool may_find_more() const { return n_found_ <= limits_.max_sets; }

  // For each of the extensions begin … end - 1: those later ones that are frequent with it and the node's itemset.
  void extend(const Node& node, std::size_t begin, std::size_t end, std::vector<Extensions>& next) {
    const std::size_t n_tables = node.base->tables.size();
    if (counts_.size() < n_tables) counts_.resize(n_tables);
    if (next.size() < end - begin) next.resize(end - begin);
    for (std::size_t t = 0; t < n_tables; ++t) counts_[t].count(node, t, begin, end);
    const std::size_t n_tails = node.extensions->size() - begin - 1;
    const Extension* tails = node.extensions->data() + begin + 1;
    for (std::size_t b = 0; b < end - begin; ++b) {
      const std::int64_t *least = counts_[0].with(b, 0), *sum = least;
      if (n_tables > 1 || counts_[0].n_supports() > 1) {
        least_.assign(n_tails, std::numeric_limits<std::int64_t>::max());
        sum_.assign(n_tails, 0);
        for (std::size_t t = 0; t < n_tables; ++t)
          for (std::size_t j = 0; j < counts_[t].n_supports(); ++j) {
            const std::int64_t* supports = counts_[t].with(b, j);
            for (std::size_t c = b; c < n_tails; ++c) {
              least_[c] = std::min(least_[c], supports[c]);
              sum_[c] += supports[c];
            }
          }
        least = least_.data();
        sum = sum_.data();
      }
      next[b].clear();
      for (std::size_t c = b; c < n_tails; ++c)
        if (least[c] >= limits_.min_count) next[b].push_back({tails[c].column, sum[c]});
    }
  }

  // Tells of itemsets that record() will be given. False when they are too many.
  bool announce(const Extensions& extensions) {
    n_found_ += std::ssize(extensions);
    return may_find_more();
  }

  // The node's itemset with each of its extensions.
  void record(const Node& node) {
    if (group_counts.counts_any()) group_counts.count(node);
    for (std::size_t e = 0; e < node.extensions->size(); ++e) {
      const auto column = static_cast<std::size_t>((*node.extensions)[e].column);
      found.add(*node.items, node.base->columns[column], group_counts.of(node, e));
    }
  }

  // Everything that extends the node's itemset by two columns or more, the first among extensions begin … end - 1.
  void visit(const Node& node, std::size_t begin, std::size_t end, Watch& watch, int thread) {
    const std::size_t depth = node.items->size(), strip = strip_of(node);
    if (levels_.size() <= depth) levels_.resize(depth + 1);
    Level& level = levels_[depth];
    for (; begin < end && may_find_more(); begin += strip) {
      const std::size_t last = std::min(end, begin + strip);
      for (const BitTable& table : node.base->tables)
        work_ += static_cast<std::int64_t>((last - begin) * node.extensions->size()) * table.n_words();
      if (work_ > kWatchWords) {
        work_ = 0;
        watch.check(thread);
      }
      extend(node, begin, last, level.next);
      for (std::size_t b = begin; b < last; ++b) {
        const Extension& added = (*node.extensions)[b];
        const Extensions& extensions = level.next[b - begin];
        if (extensions.empty()) continue;
        const std::int32_t column = node.base->columns[static_cast<std::size_t>(added.column)];
        level.items = *node.items;
        level.items.insert(std::lower_bound(level.items.begin(), level.items.end(), column), column);
        if (!announce(extensions)) return;
        if (enter(node, added, extensions, level)) visit(level.node, 0, level.node.extensions->size(), watch, thread);
      }
    }
  }

  // Makes level.node the node's itemset with `added`, which together are level.items, and records what extends it.
  // False if that cannot be extended further.
  bool enter(const Node& node, const Extension& added, const Extensions& extensions, Level& level) {
    const Base& base = *node.base;
    const bool goes_on = extensions.size() > 1 && std::ssize(level.items) + 2 <= limits_.max_size;
    level.node.items = &level.items;
    level.node.base = &base;
    level.node.extensions = &extensions;
    if (goes_on || group_counts.counts_any()) find_rows(node, added, goes_on, level);
    record(level.node);
    return goes_on;
  }

 private:
  // The rows of level.node, which is about to be counted: those of `node` that contain `added`.
  void find_rows(const Node& node, const Extension& added, bool goes_on, Level& level) {
    const Base& base = *node.base;
    const Extensions& extensions = *level.node.extensions;
    level.node.rows.assign(base.tables.size(), nullptr);
    level.rows.resize(base.tables.size());
    for (std::size_t t = 0; t < base.tables.size(); ++t) {
      const BitTable& table = base.tables[t];
      const Word* both[2] = {table.column(added.column), node.rows[t]};
      level.node.rows[t] = both[0];
      if (node.rows[t] == nullptr) continue;
      Word* out = level.rows[t].reserve(static_cast<std::size_t>(table.n_words()));
      kernels_.and_columns(both, 2, 0, table.n_words(), out);
      level.node.rows[t] = out;
    }
    // Half of the memory is for the copy of the first level, half of the rest for that of the second …
    const std::int64_t room = limits_.copy_bytes >> std::min<std::size_t>(level.items.size(), kWordBits - 1);
    if (projection_pays(base, added.rows, std::ssize(extensions), goes_on, room)) project(base, extensions, level);
  }

  // Whether copying the rows of an itemset takes fewer cycles than it saves, by rough estimates, and at most `room`.
  static bool projection_pays(const Base& base, std::int64_t n_rows, std::int64_t n_extensions, bool goes_on,
                              std::int64_t room) {
    std::int64_t n_words = 0, cost = 0, n_supports = 0, n_groups = 0;
    for (std::size_t t = 0; t < base.tables.size(); ++t) {
      const std::int64_t n_kept = n_extensions + base.tables[t].n_columns() - base.n_columns();
      if (BitTable::bytes_to_project(n_rows, n_kept) > room) return false;
      n_words += base.tables[t].n_words();
      cost = std::max(cost, base.tables[t].cycles_to_project(n_rows, n_kept));
      n_supports = std::max<std::int64_t>(n_supports, base.n_supports(t));
      n_groups = std::max<std::int64_t>(n_groups, base.n_groups(t));
    }
    const std::int64_t counts = n_extensions * ((goes_on ? n_extensions * n_supports : 0) + 2 * n_groups);
    return (n_words - words_for(n_rows)) / 8 * counts > cost;
  }

  void project(const Base& from, const Extensions& extensions, Level& level) {
    level.base.columns.clear();
    level.base.masks = from.masks;
    level.base.tables.resize(from.tables.size());
    level.extensions.clear();
    std::vector<std::int32_t> kept;
    for (const Extension& extension : extensions) {
      kept.push_back(extension.column);
      level.extensions.push_back({level.base.n_columns(), extension.rows});
      level.base.columns.push_back(from.columns[static_cast<std::size_t>(extension.column)]);
    }
    for (std::size_t t = 0; t < from.tables.size(); ++t) {
      kept.resize(extensions.size());
      for (std::int32_t c = from.n_columns(); c < from.tables[t].n_columns(); ++c) kept.push_back(c);
      from.tables[t].slots_of(level.node.rows[t], slots_);
      level.base.tables[t].project(from.tables[t], slots_, kept);
      level.node.rows[t] = nullptr;
    }
    level.node.base = &level.base;
    level.node.extensions = &level.extensions;
  }

  const SimdKernels& kernels_ = simd();
  const Limits limits_;
  std::atomic<std::int64_t>& n_found_;
  std::int64_t work_ = 0;
  std::vector<PairCounts> counts_;
  std::vector<std::int64_t> least_, sum_;  // of the supports in all tables and masks
  std::deque<Level> levels_;
  std::vector<std::uint32_t> slots_;
};

// The frequent columns, rare ones first, so that few columns extend itemsets of many rows; and their numbers in the
// tables, in ascending order.
Base frequent_columns(const std::vector<MiningTable>& tables, std::int64_t min_count, Extensions& extensions,
                      std::vector<std::int32_t>& numbers, int n_threads, const Monitor& monitor) {
  const SimdKernels& kernels = simd();
  Extensions frequent(tables.front().columns.size());
  parallel_for(std::ssize(frequent), n_threads, monitor, [&](std::int64_t task, int, Watch&) {
    const auto column = static_cast<std::size_t>(task);
    std::int64_t least = std::numeric_limits<std::int64_t>::max(), sum = 0;
    for (const MiningTable& table : tables) {
      const Word* bits = table.columns[column];
      for (const Word* mask : table.masks.empty() ? Columns{bits} : table.masks) {
        std::int64_t support = 0;
        kernels.count_tile(nullptr, 0, &bits, 1, &mask, 1, table.n_words, &support, 1, nullptr);
        least = std::min(least, support);
        sum += support;
      }
    }
    frequent[column] = {static_cast<std::int32_t>(task), least < min_count ? -1 : sum};
  });
  std::erase_if(frequent, [](const Extension& extension) { return extension.rows < 0; });
  for (const Extension& extension : frequent) numbers.push_back(extension.column);
  std::stable_sort(frequent.begin(), frequent.end(),
                   [](const Extension& a, const Extension& b) { return a.rows < b.rows; });
  Base base;
  for (const Extension& extension : frequent) {
    extensions.push_back({base.n_columns(), extension.rows});
    const auto number = std::lower_bound(numbers.begin(), numbers.end(), extension.column);
    base.columns.push_back(static_cast<std::int32_t>(number - numbers.begin()));
  }
  for (const MiningTable& table : tables) {
    Columns columns;
    for (const Extension& extension : frequent)
      columns.push_back(table.columns[static_cast<std::size_t>(extension.column)]);
    columns.insert(columns.end(), table.masks.begin(), table.masks.end());
    columns.insert(columns.end(), table.groups.begin(), table.groups.end());
    base.masks.push_back(static_cast<std::int32_t>(table.masks.size()));
    base.tables.emplace_back(std::move(columns), table.n_words);
  }
  return base;
}

// Leaves out of the table the groups whose counts follow from others, given the counts of the single columns, which the
// first miner has.
void count_fewer_groups(Base& root, const Node& singles, std::deque<Miner>& miners) {
  const GroupSources sources = miners[0].group_counts.sources(singles);
  for (Miner& miner : miners) miner.group_counts.derive_from(sources);
  BitTable& table = root.tables[0];
  Columns columns;
  for (std::int32_t c = 0; c < table.n_columns(); ++c)
    if (c < root.first_group(0) || sources[static_cast<std::size_t>(c - root.first_group(0))] >= 0)
      columns.push_back(table.column(c));
  table = BitTable(std::move(columns), table.n_words());
}

// Rows of the tables, as far as there is room: lists only where they are much shorter, for to make them and to copy
// them is a cache miss for each item.
void make_rows(Base& root, const Extensions& singles, int n_threads, const Monitor& monitor) {
  std::int64_t n_ones = 0, room = kRowBytes;
  for (const Extension& single : singles) n_ones += single.rows;
  for (std::size_t t = 0; t < root.tables.size(); ++t) {
    BitTable& table = root.tables[t];
    const std::int64_t n_others = table.n_columns() - root.n_columns();
    // exact, but for masks and a second table
    const std::int64_t lists = table.bytes_of_lists(n_ones + n_others * table.n_words() * kWordBits);
    const std::int64_t most = std::min(room, table.bytes_of_rows() / 8);
    if (lists <= most && table.make_lists(most)) {
      room -= most;
    } else if (table.bytes_of_rows() <= room) {
      room -= table.bytes_of_rows();
      table.make_rows(n_threads, monitor);
    }
  }
}

// All that extends one column; shared by the threads that work on it.
struct Branch {
  std::once_flag once;
  Level level;
  bool goes_on = false;
  std::atomic<std::size_t> parts_left{0};
};

struct Part {
  std::size_t column, begin, end;  // its extensions begin … end - 1
};

void mine_branches(const Node& node, std::deque<Miner>& miners, const Monitor& monitor) {
  const int n_threads = static_cast<int>(miners.size());
  const Base& root = *node.base;
  const Extensions& singles = *node.extensions;
  std::vector<Extensions> pairs(singles.size());
  const std::size_t strip = strip_of(node);
  const auto n_strips = static_cast<std::int64_t>((singles.size() + strip - 1) / strip);
  parallel_for(n_strips, n_threads, monitor, [&](std::int64_t task, int thread, Watch&) {
    Miner& miner = miners[static_cast<std::size_t>(thread)];
    if (!miner.may_find_more()) return;
    const std::size_t begin = static_cast<std::size_t>(task) * strip, end = std::min(begin + strip, singles.size());
    std::vector<Extensions> next;
    miner.extend(node, begin, end, next);
    for (std::size_t b = begin; b < end; ++b) {
      pairs[b] = std::move(next[b - begin]);
      if (!miner.announce(pairs[b])) return;
    }
  });

  // A column may hold most of the itemsets: several threads share its extensions.
  const std::size_t per_part = n_threads == 1 ? singles.size() : 4;
  std::vector<Branch> branches(singles.size());
  std::vector<Part> parts;
  for (std::size_t b = 0; b < singles.size(); ++b)
    for (std::size_t begin = 0; begin < pairs[b].size(); begin += per_part, ++branches[b].parts_left)
      parts.push_back({b, begin, std::min(begin + per_part, pairs[b].size())});
  parallel_for(std::ssize(parts), n_threads, monitor, [&](std::int64_t task, int thread, Watch& watch) {
    const Part& part = parts[static_cast<std::size_t>(task)];
    Branch& branch = branches[part.column];
    Miner& miner = miners[static_cast<std::size_t>(thread)];
    if (!miner.may_find_more()) return;
    std::call_once(branch.once, [&] {
      branch.level.items = {root.columns[part.column]};
      branch.goes_on = miner.enter(node, singles[part.column], pairs[part.column], branch.level);
    });
    if (branch.goes_on) miner.visit(branch.level.node, part.begin, part.end, watch, thread);
    if (--branch.parts_left == 0) branch.level = {};
  });
}

}  // namespace

std::optional<MinedItemsets> mine(const std::vector<MiningTable>& tables, std::int64_t min_count, std::int64_t max_size,
                                  std::int64_t max_sets, int n_threads, const Monitor& monitor) {
  std::atomic<std::int64_t> n_found{0};
  Extensions singles;
  std::vector<std::int32_t> columns;
  Base root = frequent_columns(tables, max_size > 0 ? min_count : std::numeric_limits<std::int64_t>::max(), singles,
                               columns, n_threads, monitor);
  std::size_t n_groups = 0;
  for (const MiningTable& table : tables) n_groups += table.groups.size();
  std::deque<Miner> miners;
  for (int thread = 0; thread < n_threads; ++thread)
    miners.emplace_back(Limits{min_count, max_size, max_sets, kCopyBytes / n_threads}, std::ssize(singles), n_groups,
                        n_found);
  const std::vector<std::int32_t> empty;
  const Node node{&root, std::vector<const Word*>(root.tables.size(), nullptr), &singles, &empty};
  if (!miners[0].announce(singles)) return std::nullopt;
  miners[0].record(node);
  if (max_size > 1 && !singles.empty()) {
    if (n_groups > 0 && tables.size() == 1 && tables[0].masks.empty()) count_fewer_groups(root, node, miners);
    make_rows(root, singles, n_threads, monitor);
    mine_branches(node, miners, monitor);
  }
  if (n_found > max_sets) return std::nullopt;
  std::vector<FoundItemsets> found;
  for (Miner& miner : miners) found.push_back(std::move(miner.found));
  return FoundItemsets::in_order(found, columns, n_threads, monitor);
}

}  // namespace askew
