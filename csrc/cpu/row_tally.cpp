#include "cpu/row_tally.hpp"

#include <algorithm>
#include <numeric>

#include "cpu/items.hpp"

namespace askew {
namespace {

constexpr std::int64_t kBlockWords = kBlockBits / kWordBits;
constexpr std::int64_t kMaskedShare = 8;  // a column of an eighth of all triples is a mask

constexpr double kCyclesPerRun = 100;  // of a stem in a block

// Pairs within none or one of a few masks. A single column is a pair with itself.
class Pairs {
 public:
  struct Pair {
    std::int32_t mask;  // its number, from 1 on; 0: none; negative: this is no pair
    std::int32_t rarer, other;
  };

  Pairs(const std::vector<std::int64_t>& ones, const Itemsets& itemsets, std::int64_t begin, std::int64_t end)
      : ones_(ones), itemsets_(itemsets), masks_{-1}, mask_numbers_(ones.size(), 0), n_triples_(ones.size(), 0) {
    std::int64_t n_triples = 0;
    for (std::int64_t s = begin; s < end; ++s) {
      const Items items = items_of(itemsets, s);
      if (items.size() != 3) continue;
      ++n_triples;
      for (const std::int32_t item : items) ++n_triples_[static_cast<std::size_t>(item)];
    }
    for (std::size_t c = 0; c < ones.size(); ++c) {
      if (n_triples == 0 || n_triples_[c] * kMaskedShare < n_triples) continue;
      mask_numbers_[c] = static_cast<std::int32_t>(masks_.size());
      masks_.push_back(static_cast<std::int32_t>(c));
    }
  }

  std::size_t n_masks() const { return masks_.size(); }
  std::int32_t mask(std::size_t number) const { return masks_[number]; }  // its column

  Pair of(std::int64_t s) const {
    const Items all = items_of(itemsets_, s);
    if (all.size() == 1) return {0, all[0], all[0]};
    if (all.size() == 2) return ordered(0, all[0], all[1]);
    if (all.size() != 3) return {-1, 0, 0};
    const auto commonest = std::ranges::max_element(all, {}, [&](std::int32_t item) { return n_triples_[at(item)]; });
    const std::int32_t number = mask_numbers_[at(*commonest)];
    if (number == 0) return {-1, 0, 0};
    const std::int32_t a = all[commonest == all.begin() ? 1 : 0], b = all[commonest == all.end() - 1 ? 1 : 2];
    return ordered(number, a, b);
  }

 private:
  static std::size_t at(std::int32_t item) { return static_cast<std::size_t>(item); }
  Pair ordered(std::int32_t mask, std::int32_t a, std::int32_t b) const {
    return ones_[at(b)] < ones_[at(a)] ? Pair{mask, b, a} : Pair{mask, a, b};
  }

  const std::vector<std::int64_t>& ones_;
  const Itemsets& itemsets_;
  std::vector<std::int32_t> masks_, mask_numbers_;
  std::vector<std::int64_t> n_triples_;
};

}  // namespace

RowTally::RowTally(const std::vector<std::int64_t>& ones, std::int64_t n_words, const Itemsets& itemsets,
                   std::int64_t begin, std::int64_t end)
    : taken_(static_cast<std::size_t>(end - begin)) {
  const Pairs pairs(ones, itemsets, begin, end);
  const std::size_t n_columns = ones.size();
  const auto stem_of = [&](const Pairs::Pair& pair) {
    return static_cast<std::size_t>(pair.mask) * n_columns + static_cast<std::size_t>(pair.rarer);
  };
  std::vector<Pairs::Pair> all(taken_.size());
  std::vector<std::int64_t> n_pairs(pairs.n_masks() * n_columns, 0);
  std::vector<bool> is_tail(n_columns);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Pairs::Pair pair = all[i] = pairs.of(begin + static_cast<std::int64_t>(i));
    if (pair.mask < 0 || pair.rarer == pair.other) continue;
    ++n_pairs[stem_of(pair)];
    is_tail[static_cast<std::size_t>(pair.other)] = true;
  }
  for (std::size_t c = 0; c < n_columns; ++c)
    if (is_tail[c]) tails_.push_back(static_cast<std::int32_t>(c));
  const auto ones_of = [&](std::int32_t c) { return ones[static_cast<std::size_t>(c)]; };
  std::ranges::stable_sort(tails_, std::ranges::greater{}, ones_of);

  const TallyCosts& costs = simd().costs;
  const auto words = static_cast<double>(n_words), n = words * static_cast<double>(kWordBits);
  double saved = 0;
  std::vector<bool> chosen(n_pairs.size());
  for (std::size_t stem = 0; stem < n_pairs.size(); ++stem) {
    if (n_pairs[stem] == 0) continue;
    const std::size_t mask = stem / n_columns, column = stem % n_columns;
    double rows = static_cast<double>(ones[column]);
    if (mask > 0) rows *= static_cast<double>(ones_of(pairs.mask(mask))) / n;
    // what is as frequent as the stem or more stands in the first tiles
    const auto n_before =
        std::ranges::upper_bound(tails_, ones[column], std::ranges::greater{}, ones_of) - tails_.begin();
    const auto n_parts = static_cast<double>(std::min<std::int64_t>(n_pairs[stem], n_before / kTallied + 1));
    const double by_rows = (costs.stem + n_parts * kCyclesPerRun / static_cast<double>(kTalliedWords)) * words +
                           (costs.listed + n_parts * costs.added) * rows;
    const double by_columns = costs.pair * words * static_cast<double>(n_pairs[stem]);
    chosen[stem] = by_rows < by_columns;
    if (chosen[stem]) saved += by_columns - by_rows;
  }
  if (saved < costs.tile * words * static_cast<double>(n_tiles())) return;

  // Itemsets by stem, and then by tile.
  std::vector<std::uint32_t> tail_numbers(n_columns);
  for (std::uint32_t t = 0; t < tails_.size(); ++t) tail_numbers[static_cast<std::size_t>(tails_[t])] = t;
  std::vector<std::size_t> ends(n_pairs.size() + 1, 0);  // first of the stem before
  for (std::size_t i = 0; i < all.size(); ++i) {
    taken_[i] = all[i].mask >= 0 && chosen[stem_of(all[i])] && is_tail[static_cast<std::size_t>(all[i].other)];
    if (taken_[i]) ++ends[stem_of(all[i]) + 1];
  }
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  members_.resize(ends.back());
  for (std::size_t i = 0; i < all.size(); ++i)
    if (taken_[i])
      members_[ends[stem_of(all[i])]++] = {tail_numbers[static_cast<std::size_t>(all[i].other)],
                                           begin + static_cast<std::int64_t>(i)};
  const auto tile_of = [](const Member& member) { return member.tail / kTallied; };
  for (std::size_t stem = 0, m = 0; stem < n_pairs.size(); ++stem) {
    const std::size_t stem_end = ends[stem], mask = stem / n_columns;
    if (m == stem_end) continue;
    if (n_tiles() > 1)
      std::sort(members_.begin() + static_cast<std::ptrdiff_t>(m),
                members_.begin() + static_cast<std::ptrdiff_t>(stem_end),
                [&](const Member& a, const Member& b) { return tile_of(a) < tile_of(b); });
    stems_.push_back({{static_cast<std::int32_t>(stem % n_columns), pairs.mask(mask)},
                      mask > 0 ? 2 : 1,
                      parts_.size(),
                      parts_.size()});
    for (; m < stem_end; ++m) {
      if (parts_.size() == stems_.back().begin || parts_.back().tile != tile_of(members_[m])) {
        parts_.push_back({tile_of(members_[m]), m, m});
        ++stems_.back().end;
      }
      ++parts_.back().end;
    }
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
