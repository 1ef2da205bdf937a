#include "cpu/row_tally.hpp"

#include <algorithm>
#include <numeric>

#include "cpu/items.hpp"

namespace askew {
namespace {

constexpr std::int64_t kBlockWords = kBlockBits / kWordBits;
constexpr std::int64_t kMaskedShare = 8;  // a column of an eighth of all triples is a mask

constexpr double kCyclesPerRun = 100;        // of a part in a block
constexpr double kCyclesPerPart = 500;       // to add up its planes in the end
constexpr std::size_t kMaxBytes = 64 << 20;  // of the sums of all threads

// Pairs within none or one of a few masks. What a pair is counted with, its rarer column within its mask, is its stem,
// the other one its tail. A single column is a pair with itself.
class Pairs {
 public:
  struct Pair {
    std::int64_t stem;  // negative: this is no pair
    std::int32_t tail;
  };

  Pairs(const std::vector<std::int64_t>& ones, const Itemsets& itemsets, std::int64_t begin, std::int64_t end)
      : ones_(ones), masks_{-1}, mask_numbers_(ones.size(), 0), n_triples_(ones.size(), 0), is_tail_(ones.size()) {
    find_masks(itemsets, begin, end);
    n_pairs_.assign(masks_.size() * ones.size(), 0);
    pairs_.reserve(static_cast<std::size_t>(end - begin));
    for (std::int64_t s = begin; s < end; ++s) {
      const Pair pair = pair_of(items_of(itemsets, s));
      pairs_.push_back(pair);
      if (pair.stem < 0 || column(static_cast<std::size_t>(pair.stem)) == pair.tail) continue;
      ++n_pairs_[static_cast<std::size_t>(pair.stem)];
      is_tail_[at(pair.tail)] = 1;
    }
  }

  std::size_t size() const { return pairs_.size(); }
  const Pair& operator[](std::size_t i) const { return pairs_[i]; }  // of itemset begin + i
  bool is_tail(std::int32_t column) const { return is_tail_[at(column)] != 0; }

  std::size_t n_stems() const { return n_pairs_.size(); }
  std::int64_t n_pairs(std::size_t stem) const { return n_pairs_[stem]; }
  std::int32_t column(std::size_t stem) const { return static_cast<std::int32_t>(stem % ones_.size()); }
  std::int32_t mask(std::size_t stem) const { return masks_[stem / ones_.size()]; }  // negative: none

 private:
  static std::size_t at(std::int32_t item) { return static_cast<std::size_t>(item); }

  void find_masks(const Itemsets& itemsets, std::int64_t begin, std::int64_t end) {
    std::int64_t n_triples = 0;
    for (std::int64_t s = begin; s < end; ++s) {
      const Items items = items_of(itemsets, s);
      if (items.size() != 3) continue;
      ++n_triples;
      for (const std::int32_t item : items) ++n_triples_[at(item)];
    }
    for (std::size_t c = 0; c < ones_.size(); ++c) {
      if (n_triples == 0 || n_triples_[c] * kMaskedShare < n_triples) continue;
      mask_numbers_[c] = std::ssize(masks_);
      masks_.push_back(static_cast<std::int32_t>(c));
    }
  }

  Pair pair_of(Items items) const {
    if (items.size() == 2) return ordered(0, items[0], items[1]);
    if (items.size() == 1) return ordered(0, items[0], items[0]);
    if (items.size() != 3) return {-1, 0};
    const auto most = std::ranges::max_element(items, {}, [&](std::int32_t item) { return n_triples_[at(item)]; });
    const std::int64_t mask = mask_numbers_[at(*most)];
    if (mask == 0) return {-1, 0};
    return ordered(mask, items[most == items.begin() ? 1 : 0], items[most == items.end() - 1 ? 1 : 2]);
  }

  Pair ordered(std::int64_t mask, std::int32_t a, std::int32_t b) const {
    const std::int32_t exchange = ones_[at(b)] < ones_[at(a)] ? a ^ b : 0;  // a branch would be hard to foresee
    return {mask * std::ssize(ones_) + (a ^ exchange), b ^ exchange};
  }

  const std::vector<std::int64_t>& ones_;
  std::vector<std::int32_t> masks_;         // their columns, from number 1 on
  std::vector<std::int64_t> mask_numbers_;  // of columns; 0: this is none
  std::vector<std::int64_t> n_triples_;
  std::vector<Pair> pairs_;
  std::vector<std::int64_t> n_pairs_;
  std::vector<std::uint8_t> is_tail_;
};

// By ascending keys, and where they are equal in the order so far.
template <class Key>
void sort_by(std::vector<std::uint32_t>& numbers, std::size_t n_keys, const Key& key) {
  std::vector<std::uint32_t> ends(n_keys + 1, 0);  // of the key before
  for (const std::uint32_t i : numbers) ++ends[key(i) + 1];
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  std::vector<std::uint32_t> sorted(numbers.size());
  for (const std::uint32_t i : numbers) sorted[ends[key(i)]++] = i;
  numbers = std::move(sorted);
}

}  // namespace

RowTally::RowTally(const std::vector<std::int64_t>& ones, std::int64_t n_words, const Itemsets& itemsets,
                   std::int64_t begin, std::int64_t end, int n_threads) {
  if (n_words < kTalliedWords) return;  // the choice would take longer than it saves
  const Pairs pairs(ones, itemsets, begin, end);
  const auto ones_of = [&](std::int32_t c) { return ones[static_cast<std::size_t>(c)]; };
  for (std::int32_t c = 0; c < std::ssize(ones); ++c)
    if (pairs.is_tail(c)) tails_.push_back(c);
  std::ranges::stable_sort(tails_, std::ranges::greater{}, ones_of);

  const TallyCosts& costs = simd().costs;
  const auto words = static_cast<double>(n_words), n = words * static_cast<double>(kWordBits);
  double saved = 0;
  std::int64_t all_parts = 0;
  std::vector<std::uint8_t> chosen(pairs.n_stems());
  for (std::size_t stem = 0; stem < pairs.n_stems(); ++stem) {
    const std::int64_t n_pairs = pairs.n_pairs(stem), n_ones = ones_of(pairs.column(stem));
    if (n_pairs == 0) continue;
    auto rows = static_cast<double>(n_ones);
    if (pairs.mask(stem) >= 0) rows *= static_cast<double>(ones_of(pairs.mask(stem))) / n;
    // what is as frequent as the stem or more stands in the first tiles
    const auto n_before = std::ranges::upper_bound(tails_, n_ones, std::ranges::greater{}, ones_of) - tails_.begin();
    const std::int64_t most_parts = std::min<std::int64_t>(n_pairs, n_before / kTallied + 1);
    const auto n_parts = static_cast<double>(most_parts);
    const double by_rows = (costs.stem + n_parts * kCyclesPerRun / static_cast<double>(kTalliedWords)) * words +
                           (costs.listed + n_parts * costs.added) * rows + n_parts * kCyclesPerPart;
    const double by_columns = costs.pair * words * static_cast<double>(n_pairs);
    if (by_rows >= by_columns) continue;
    chosen[stem] = 1;
    saved += by_columns - by_rows;
    all_parts += most_parts;
  }
  if (saved < costs.tile * words * static_cast<double>(n_tiles())) return;
  const std::size_t bytes = Sums::bytes(n_tiles(), static_cast<std::size_t>(all_parts));
  if (bytes > kMaxBytes / static_cast<std::size_t>(n_threads)) return;

  std::vector<std::uint32_t> tail_numbers(ones.size());
  for (std::uint32_t t = 0; t < tails_.size(); ++t) tail_numbers[static_cast<std::size_t>(tails_[t])] = t;
  const auto stem_of = [&](std::uint32_t i) { return static_cast<std::size_t>(pairs[i].stem); };
  const auto tail_of = [&](std::uint32_t i) { return tail_numbers[static_cast<std::size_t>(pairs[i].tail)]; };
  const auto tile_of = [&](std::uint32_t i) { return std::size_t{tail_of(i) / kTallied}; };
  taken_.assign(pairs.size(), 0);
  std::vector<std::uint32_t> members;
  for (std::uint32_t i = 0; i < pairs.size(); ++i) {
    taken_[i] = pairs[i].stem >= 0 && chosen[stem_of(i)] != 0 && pairs.is_tail(pairs[i].tail);
    if (taken_[i] != 0) members.push_back(i);
  }
  if (n_tiles() > 1) sort_by(members, n_tiles(), tile_of);
  sort_by(members, pairs.n_stems(), stem_of);
  members_.reserve(members.size());
  std::size_t last = pairs.n_stems();
  for (const std::uint32_t i : members) {
    const std::size_t stem = stem_of(i), tile = tile_of(i), m = members_.size();
    if (stem != last)
      stems_.push_back(
          {{pairs.column(stem), pairs.mask(stem)}, pairs.mask(stem) < 0 ? 1 : 2, parts_.size(), parts_.size()});
    if (stem != last || parts_.back().tile != tile) {
      parts_.push_back({tile, m, m});
      ++stems_.back().end;
    }
    members_.push_back({tail_of(i), begin + i});
    ++parts_.back().end;
    last = stem;
  }
}

RowTally::Sums::Sums(const RowTally& tally)
    : rows_(tally.n_tiles()), planes_(tally.parts_.size()), counts_(tally.parts_.size() * kTallied, 0) {
  for (WordBuffer& rows : rows_) std::fill_n(rows.reserve(kEmptyPlace + kRowWords) + kEmptyPlace, kRowWords, Word{0});
}

void RowTally::Sums::add(std::size_t part, std::size_t tile, const std::uint16_t* places, std::int64_t n_units) {
  Planes& planes = planes_[part];
  if (planes.n_units + n_units > kMaxUnits) flush(part);
  planes.n_units += n_units;
  simd().add_rows(rows_[tile].data(), places, n_units, planes.words);
}

std::int64_t RowTally::Sums::count(std::size_t part, std::uint32_t tail) {
  if (planes_[part].n_units > 0) flush(part);
  return counts_[part * kTallied + tail % kTallied];
}

// The planes are columns whose rows are the sums.
void RowTally::Sums::flush(std::size_t part) {
  Word columns[kBlockBits] = {}, sums[kBlockBits];
  for (int p = 0; p < kPlanes; ++p)
    std::copy_n(planes_[part].words + p * kPlaneWords, kPlaneWords, columns + p * kBlockWords);
  simd().transpose(columns, sums);
  std::int64_t* counts = counts_.data() + part * kTallied;
  for (int c = 0; c < kTallied; ++c) {
    const Word* sum = sums + c % kWordBits * kBlockWords + c / kWordBits;
    counts[c] += static_cast<std::int64_t>(sum[0] + sum[kRowWords]);
  }
  planes_[part] = {};
}

void RowTally::add(const Columns& columns, std::int64_t begin, std::int64_t n_words, Sums& sums) const {
  for (std::int64_t word = 0; word < n_words; word += kTalliedWords)
    add_block(columns, begin + word, std::min(kTalliedWords, n_words - word), sums);
}

void RowTally::add_block(const Columns& columns, std::int64_t begin, std::int64_t n_words, Sums& sums) const {
  const SimdKernels& kernels = simd();
  for (std::size_t tile = 0; tile < n_tiles(); ++tile) {
    const Word* tails[kTallied];
    int n_tails = 0;
    for (std::size_t t = tile * kTallied; t < tails_.size() && n_tails < kTallied; ++t)
      tails[n_tails++] = columns[static_cast<std::size_t>(tails_[t])];
    for (std::int64_t word = 0; word < n_words; word += kBlockWords)
      kernels.wide_rows(tails, n_tails, begin + word, sums.rows(tile) + word * kWordBits * kRowWords);
  }
  alignas(64) std::uint16_t places[kTalliedWords * kWordBits + kOnesBeyond];
  std::size_t n_fetched = 0;  // of the tails, in the next block most likely
  for (std::size_t s = 0; s < stems_.size(); ++s) {
    for (; n_fetched * stems_.size() < (s + 1) * tails_.size(); ++n_fetched) {
      const Word* tail = columns[static_cast<std::size_t>(tails_[n_fetched])];
      for (std::int64_t word = 0; word < n_words; word += kBlockWords)
        __builtin_prefetch(tail + begin + n_words + word, 0, 2);
    }
    const Stem& stem = stems_[s];
    const Word* stem_columns[3];
    for (std::size_t i = 0; i < 2; ++i)
      stem_columns[i] = columns[static_cast<std::size_t>(std::max(stem.columns[i], 0))];
    const Stem& next = stems_[std::min(s + 1, stems_.size() - 1)];  // which is fetched meanwhile
    stem_columns[stem.n_columns] = columns[static_cast<std::size_t>(next.columns[0])];
    const std::int64_t n_units = kernels.list_rows(stem_columns, stem.n_columns, begin, n_words, places);
    for (std::size_t part = stem.begin; part < stem.end; ++part) sums.add(part, parts_[part].tile, places, n_units);
  }
}

void RowTally::collect(Sums& sums, std::int64_t* out) const {
  for (std::size_t part = 0; part < parts_.size(); ++part)
    for (std::size_t m = parts_[part].begin; m < parts_[part].end; ++m)
      out[members_[m].itemset] += sums.count(part, members_[m].tail);
}

}  // namespace askew
