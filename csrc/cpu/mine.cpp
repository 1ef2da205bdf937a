// Depth-first mining on bitmaps (Eclat; Zaki 2000): an itemset is extended by those columns only that extended its
// prefix, rare columns first. What makes it fast: the pairs of extensions of an itemset are counted in register tiles;
// and where few rows contain the itemset, they are first copied to a table of their own.
#include <deque>
#include <limits>

#include "cpu/bit_table.hpp"
#include "cpu/buffer.hpp"
#include "cpu/found.hpp"
#include "cpu/kernels.hpp"
#include "cpu/simd.hpp"

namespace askew {
namespace {

constexpr std::size_t kStrip = 32;              // extensions that are combined with all later ones in one pass
constexpr std::int64_t kBlockBytes = 1 << 20;   // of columns, which stay in the L2 cache during that pass
constexpr std::int64_t kMaxRowBytes = 1 << 30;  // for a second copy, by rows, of the tables that are mined
constexpr std::int64_t kWatchWords = 1 << 22;   // between two looks at the clock

struct Extension {
  std::int32_t column;  // of the base
  std::int64_t rows;    // that contain it and the itemset that it extends (of all tables; per mask, if there are any)
};

using Extensions = std::vector<Extension>;

// Where the extensions of an itemset are counted: tables of the same columns, followed by the masks of each.
struct Base {
  std::vector<BitTable> tables;
  std::vector<std::int32_t> columns;  // their numbers in the tables that were given

  std::int32_t n_columns() const { return static_cast<std::int32_t>(columns.size()); }
  std::int32_t n_masks(std::size_t t) const { return tables[t].n_columns() - n_columns(); }
  std::int32_t n_supports(std::size_t t) const { return std::max(n_masks(t), 1); }
};

// An itemset: the rows of the base that contain it (one bitmap per table; null: all of them), and what may extend it.
struct Node {
  const Base* base;
  std::vector<const Word*> rows;
  const Extensions* extensions;
  const std::vector<std::int32_t>* items;  // ascending
};

// Counts of the pairs of extensions of a node: one row for each of a few of them (and each mask), one column for each
// later one.
class PairCounts {
 public:
  void count(const Node& node, std::size_t t, std::size_t begin, std::size_t end) {
    const Base& base = *node.base;
    table_ = &base.tables[t];
    extensions_ = node.extensions->data() + begin;
    n_masks_ = static_cast<std::size_t>(base.n_masks(t));
    first_mask_ = base.n_columns();
    within_ = node.rows[t];
    n_supports_ = std::max<std::size_t>(n_masks_, 1);
    n_rows_ = (end - begin) * n_supports_;
    n_tails_ = node.extensions->size() - begin - 1;
    counts_.assign(n_rows_ * n_tails_, 0);
    if (few_ones())
      by_rows();
    else
      by_columns();
  }

  std::size_t n_supports() const { return n_supports_; }

  // Rows that contain extension begin + b and begin + c, b < c, and are in mask j.
  std::int64_t operator()(std::size_t b, std::size_t c, std::size_t j) const {
    return counts_[(b * n_supports_ + j) * n_tails_ + c - 1];
  }

 private:
  std::int32_t column(std::size_t b) const { return extensions_[b].column; }

  // Whether going through the ones of the rows takes fewer cycles than ANDs of whole columns, by rough estimates.
  bool few_ones() const {
    if (within_ != nullptr || table_->words_per_row() == 0) return false;
    std::int64_t ones = 0, rows = 0;
    for (std::size_t c = 0; c <= n_tails_; ++c) ones += extensions_[c].rows;
    for (std::size_t b = 0; b < n_rows_ / n_supports_; ++b) rows += extensions_[b].rows;
    const std::int64_t words = table_->words_per_row() - table_->place(column(0)) / kWordBits;
    const std::int64_t ones_per_row = ones / (table_->n_words() * kWordBits) + 1;
    return rows * (3 * words + 15 + 4 * ones_per_row) <
           static_cast<std::int64_t>(n_rows_ * n_tails_) * (table_->n_words() / 5 + 5);
  }

  void by_rows() {
    std::vector<Word> later(static_cast<std::size_t>(table_->words_per_row()), 0);
    std::vector<std::size_t> tail_at(later.size() * kWordBits);
    for (std::size_t c = 1; c <= n_tails_; ++c) {
      const auto place = static_cast<std::size_t>(table_->place(column(c)));
      later[place / kWordBits] |= Word{1} << place % kWordBits;
      tail_at[place] = c - 1;
    }
    for (std::size_t b = 0; b < n_rows_ / n_supports_; ++b) {
      const auto place = static_cast<std::size_t>(table_->place(column(b)));
      later[place / kWordBits] &= ~((Word{2} << place % kWordBits) - 1);
      table_->slots_of(table_->column(column(b)), slots_);
      for (std::size_t j = 0; j < n_supports_; ++j) {
        std::int64_t* counts = counts_.data() + (b * n_supports_ + j) * n_tails_;
        const auto mask = n_masks_ > 0 ? static_cast<std::size_t>(table_->place(first_mask_ + static_cast<std::int32_t>(j))) : place;
        const Word* in_mask = table_->row_words(static_cast<std::int64_t>(mask / kWordBits));
        for (std::size_t w = place / kWordBits; w < later.size(); ++w) {
          if (later[w] == 0) continue;
          const Word* words = table_->row_words(static_cast<std::int64_t>(w));
          for (const std::uint32_t slot : slots_)
            if (in_mask[slot] >> mask % kWordBits & 1)
              for (Word left = words[slot] & later[w]; left != 0; left &= left - 1)
                ++counts[tail_at[w * kWordBits + static_cast<std::size_t>(__builtin_ctzll(left))]];
        }
      }
    }
  }

  void by_columns() {
    const SimdKernels& kernels = simd();
    constexpr std::size_t kStep = kTile;
    const std::size_t n_extensions = n_tails_ + 1, n_first = n_rows_ / n_supports_;
    const std::int64_t fitting = kBlockBytes / 8 / static_cast<std::int64_t>(n_extensions) / 8 * 8;
    const std::int64_t block = std::clamp<std::int64_t>(fitting, 64, 2048);
    columns_.resize(n_extensions);
    for (std::int64_t word = 0; word < table_->n_words(); word += block) {
      const std::int64_t n_words = std::min(block, table_->n_words() - word);
      for (std::size_t c = 0; c < n_extensions; ++c) columns_[c] = table_->column(column(c)) + word;
      for (std::size_t j = 0; j < n_supports_; ++j) {
        const Word* prefix[2];
        std::int64_t k = 0;
        if (within_ != nullptr) prefix[k++] = within_ + word;
        if (n_masks_ > 0) prefix[k++] = table_->column(first_mask_ + static_cast<std::int32_t>(j)) + word;
        for (std::size_t b = 0; b < n_first; b += kStep)
          for (std::size_t c = b + 1; c < n_extensions; c += kStep)
            kernels.count_tile(prefix, k, columns_.data() + b, static_cast<int>(std::min(kStep, n_first - b)),
                               columns_.data() + c, static_cast<int>(std::min(kStep, n_extensions - c)), n_words,
                               counts_.data() + (b * n_supports_ + j) * n_tails_ + c - 1,
                               static_cast<std::int64_t>(n_supports_ * n_tails_));
      }
    }
  }

  const BitTable* table_ = nullptr;
  const Extension* extensions_ = nullptr;
  const Word* within_ = nullptr;
  std::int32_t first_mask_ = 0;
  std::size_t n_masks_ = 0, n_supports_ = 1, n_rows_ = 0, n_tails_ = 0;
  std::vector<std::int64_t> counts_;
  Columns columns_;
  std::vector<std::uint32_t> slots_;
};

struct Limits {
  std::int64_t min_count, max_size, max_sets;
};

class Miner {
 public:
  Miner(const Limits& limits, std::int64_t n_columns, std::atomic<std::int64_t>& n_found)
      : found(n_columns), limits_(limits), n_found_(n_found) {}

  FoundItemsets found;

  // For each of the extensions begin … end - 1: those later ones that are frequent with it and the node's itemset.
  void extend(const Node& node, std::size_t begin, std::size_t end, std::vector<Extensions>& next) {
    const std::size_t n_tables = node.base->tables.size();
    if (counts_.size() < n_tables) counts_.resize(n_tables);
    if (next.size() < end - begin) next.resize(end - begin);
    for (std::size_t t = 0; t < n_tables; ++t) counts_[t].count(node, t, begin, end);
    for (std::size_t b = 0; b < end - begin; ++b) {
      next[b].clear();
      for (std::size_t c = b + 1; begin + c < node.extensions->size(); ++c) {
        std::int64_t least = std::numeric_limits<std::int64_t>::max(), sum = 0;
        for (std::size_t t = 0; t < n_tables; ++t)
          for (std::size_t j = 0; j < counts_[t].n_supports(); ++j) {
            const std::int64_t support = counts_[t](b, c, j);
            least = std::min(least, support);
            sum += support;
          }
        if (least >= limits_.min_count) next[b].push_back({(*node.extensions)[begin + c].column, sum});
      }
    }
  }

  void record(const std::vector<std::int32_t>& items, const Base& base, const Extensions& extensions) {
    n_found_ += std::ssize(extensions);
    if (n_found_ > limits_.max_sets) return;
    for (const Extension& extension : extensions)
      found.add(items, base.columns[static_cast<std::size_t>(extension.column)]);
  }

  // Everything that extends the node's itemset by two columns or more, the first among extensions begin … end - 1.
  void visit(const Node& node, std::size_t begin, std::size_t end, Watch& watch, int thread) {
    const std::size_t depth = node.items->size();
    if (levels_.size() <= depth) levels_.resize(depth + 1);
    Level& level = levels_[depth];
    for (; begin < end && n_found_ <= limits_.max_sets; begin += kStrip) {
      const std::size_t last = std::min(end, begin + kStrip);
      for (const BitTable& table : node.base->tables)
        work_ += static_cast<std::int64_t>((last - begin) * node.extensions->size()) * table.n_words();
      if (work_ > kWatchWords) {
        work_ = 0;
        watch.check(thread);
      }
      extend(node, begin, last, level.next);
      for (std::size_t b = begin; b < last; ++b) {
        if (level.next[b - begin].empty()) continue;
        if (enter(node, (*node.extensions)[b], level.next[b - begin], level)) {
          visit(level.node, 0, level.node.extensions->size(), watch, thread);
        }
      }
    }
  }

  // What visiting an itemset of a certain size takes, kept for the next one.
  struct Level {
    std::vector<Extensions> next;
    std::vector<std::int32_t> items;
    std::vector<Buffer> rows;
    Base base;
    Extensions extensions;
    Node node;
  };

  // Records the extensions of the node's itemset with `added`, and makes it level.node. False if nothing extends it by
  // two columns.
  bool enter(const Node& node, const Extension& added, const Extensions& extensions, Level& level) {
    const Base& base = *node.base;
    const std::int32_t column = base.columns[static_cast<std::size_t>(added.column)];
    level.items = *node.items;
    level.items.insert(std::lower_bound(level.items.begin(), level.items.end(), column), column);
    record(level.items, base, extensions);
    if (extensions.size() < 2 || std::ssize(level.items) + 2 > limits_.max_size) return false;
    level.node.items = &level.items;
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
    if (projection_pays(base, added.rows, std::ssize(extensions))) {
      project(base, extensions, level);
    } else {
      level.node.base = &base;
      level.node.extensions = &extensions;
    }
    return true;
  }

 private:
  // Whether copying the rows of an itemset takes fewer cycles than it saves, by rough estimates.
  static bool projection_pays(const Base& base, std::int64_t n_rows, std::int64_t n_extensions) {
    std::int64_t n_words = 0, row_words = 0, n_supports = 0;
    for (std::size_t t = 0; t < base.tables.size(); ++t) {
      if (base.tables[t].words_per_row() == 0) return false;
      n_words += base.tables[t].n_words();
      row_words = std::max(row_words, base.tables[t].words_per_row());
      n_supports = std::max<std::int64_t>(n_supports, base.n_supports(t));
    }
    const std::int64_t copied = std::min(row_words, n_extensions);
    const std::int64_t cost = copied * (2 * n_rows + 500 * (n_rows / kBlockBits + 1)) + 2 * n_rows + 1000;
    return (n_words - words_for(n_rows)) / 8 * n_extensions * n_extensions * n_supports > cost;
  }

  void project(const Base& from, const Extensions& extensions, Level& level) {
    level.base.columns.clear();
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
      for (std::int32_t mask = 0; mask < from.n_masks(t); ++mask) kept.push_back(from.n_columns() + mask);
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
  std::deque<Level> levels_;
  std::vector<std::uint32_t> slots_;
};

// The frequent columns, rare ones first, so that few columns extend itemsets of many rows.
Base frequent_columns(const std::vector<MiningTable>& tables, std::int64_t min_count, Extensions& extensions) {
  const auto n_columns = static_cast<std::int32_t>(tables.front().columns.size());
  const SimdKernels& kernels = simd();
  Extensions frequent;
  for (std::int32_t column = 0; column < n_columns; ++column) {
    std::int64_t least = std::numeric_limits<std::int64_t>::max(), sum = 0;
    for (const MiningTable& table : tables) {
      const Word* bits = table.columns[static_cast<std::size_t>(column)];
      for (const Word* mask : table.masks.empty() ? Columns{bits} : table.masks) {
        std::int64_t support = 0;
        kernels.count_tile(nullptr, 0, &bits, 1, &mask, 1, table.n_words, &support, 1);
        least = std::min(least, support);
        sum += support;
      }
    }
    if (least >= min_count) frequent.push_back({column, sum});
  }
  std::stable_sort(frequent.begin(), frequent.end(),
                   [](const Extension& a, const Extension& b) { return a.rows < b.rows; });
  Base base;
  for (const Extension& extension : frequent) {
    extensions.push_back({base.n_columns(), extension.rows});
    base.columns.push_back(extension.column);
  }
  for (const MiningTable& table : tables) {
    Columns columns;
    for (const Extension& extension : frequent)
      columns.push_back(table.columns[static_cast<std::size_t>(extension.column)]);
    columns.insert(columns.end(), table.masks.begin(), table.masks.end());
    base.tables.emplace_back(std::move(columns), table.n_words);
  }
  return base;
}

}  // namespace

std::optional<MinedItemsets> mine(const std::vector<MiningTable>& tables, std::int64_t min_count, std::int64_t max_size,
                                  std::int64_t max_sets, int n_threads, const Monitor& monitor) {
  std::atomic<std::int64_t> n_found{0};
  const std::vector<std::int32_t> empty;
  Extensions singles;
  Base root = frequent_columns(tables, max_size > 0 ? min_count : std::numeric_limits<std::int64_t>::max(), singles);
  std::deque<Miner> miners;
  for (int thread = 0; thread < n_threads; ++thread)
    miners.emplace_back(Limits{min_count, max_size, max_sets}, std::ssize(tables.front().columns), n_found);
  miners[0].record(empty, root, singles);
  if (max_size > 1 && !singles.empty() && n_found <= max_sets) {
    std::int64_t row_bytes = 0;
    for (const BitTable& table : root.tables) row_bytes += table.bytes_of_rows();
    if (row_bytes <= kMaxRowBytes)
      for (BitTable& table : root.tables) table.make_rows(n_threads, monitor);
    const Node node{&root, std::vector<const Word*>(root.tables.size(), nullptr), &singles, &empty};
    constexpr std::int64_t kPerTask = 32;
    parallel_for((std::ssize(singles) + kPerTask - 1) / kPerTask, n_threads, monitor,
                 [&](std::int64_t task, int thread, Watch& watch) {
                   const std::int64_t end = std::min((task + 1) * kPerTask, std::ssize(singles));
                   miners[static_cast<std::size_t>(thread)].visit(node, static_cast<std::size_t>(task * kPerTask),
                                                                  static_cast<std::size_t>(end), watch, thread);
                 });
  }
  if (n_found > max_sets) return std::nullopt;
  std::vector<FoundItemsets> found;
  for (Miner& miner : miners) found.push_back(std::move(miner.found));
  return FoundItemsets::in_order(found, n_threads, monitor);
}

}  // namespace askew
