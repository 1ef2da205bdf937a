#include "cpu/pair_counts.hpp"

#include <bit>

#include "cpu/simd.hpp"

namespace askew {
namespace {

constexpr std::int64_t kBlockBytes = 1 << 20;  // of columns, which stay in the L2 cache while they are combined

}  // namespace

void PairCounts::count(const Node& node, std::size_t t, std::size_t begin, std::size_t end) {
  const Base& base = *node.base;
  table_ = &base.tables[t];
  extensions_ = node.extensions->data() + begin;
  within_ = node.rows[t];
  first_mask_ = base.n_columns();
  n_masks_ = static_cast<std::size_t>(base.n_masks(t));
  n_supports_ = std::max<std::size_t>(n_masks_, 1);
  n_first_ = end - begin;
  n_tails_ = node.extensions->size() - begin - 1;
  counts_.assign(n_first_ * n_supports_ * n_tails_, 0);
  if (!few_ones())
    by_columns();
  else if (table_->has_lists())
    by_lists();
  else
    by_rows();
}

// Whether going through the ones of the rows takes fewer cycles than ANDs of whole columns, by rough estimates.
bool PairCounts::few_ones() const {
  if (within_ != nullptr || !table_->has_rows()) return false;
  std::int64_t ones = 0, rows = 0;
  for (std::size_t c = 0; c <= n_tails_; ++c) ones += extensions_[c].rows;
  for (std::size_t b = 0; b < n_first_; ++b) rows += extensions_[b].rows;
  const std::int64_t by_column = static_cast<std::int64_t>(counts_.size()) * (table_->n_words() / 5 + 5);
  if (table_->has_lists()) return rows * (15 + 3 * table_->mean_list()) < by_column;
  const std::int64_t words = table_->words_per_row() - table_->place(column(0)) / kWordBits;
  const std::int64_t ones_per_row = ones / (table_->n_words() * kWordBits) + 1;
  return rows * ((table_->cycles_per_word() + 1) * words + 15 + 4 * ones_per_row) < by_column;
}

// Later columns are at the end of a list; its masks, and groups that are of no concern here, behind them.
void PairCounts::by_lists() {
  tail_at_.resize(static_cast<std::size_t>(table_->n_columns()));
  std::fill(tail_at_.begin(), tail_at_.end(), -1);
  for (std::size_t c = 1; c <= n_tails_; ++c)
    tail_at_[static_cast<std::size_t>(column(c))] = static_cast<std::int32_t>(c) - 1;
  const std::int32_t first_group = first_mask_ + static_cast<std::int32_t>(n_masks_);
  std::int64_t* counts = counts_.data();
  for (std::size_t b = 0; b < n_first_; ++b, counts += n_supports_ * n_tails_) {
    table_->slots_of(table_->column(column(b)), slots_);
    for (const std::uint32_t slot : slots_) {
      const std::span<const std::int32_t> list = table_->list(slot);
      auto end = list.end();
      while (*(end - 1) >= first_group) --end;  // no further than column b
      const auto masks_end = end;
      while (*(end - 1) >= first_mask_) --end;
      const std::span<const std::int32_t> masks(end, masks_end);
      while (*--end > column(b)) {
        const std::int32_t tail = tail_at_[static_cast<std::size_t>(*end)];
        if (tail < 0) continue;
        if (n_masks_ == 0) ++counts[tail];
        for (const std::int32_t m : masks)
          ++counts[static_cast<std::size_t>(m - first_mask_) * n_tails_ + static_cast<std::size_t>(tail)];
      }
    }
  }
}

void PairCounts::by_rows() {
  std::vector<Word> later(static_cast<std::size_t>(table_->words_per_row()), 0);  // columns, as bits of a row
  std::vector<std::size_t> tail_at(later.size() * kWordBits);
  for (std::size_t c = 1; c <= n_tails_; ++c) {
    const auto place = static_cast<std::size_t>(table_->place(column(c)));
    later[place / kWordBits] |= Word{1} << place % kWordBits;
    tail_at[place] = c - 1;
  }
  std::int64_t* counts = counts_.data();
  for (std::size_t b = 0; b < n_first_; ++b) {
    const auto place = static_cast<std::size_t>(table_->place(column(b)));
    later[place / kWordBits] &= ~((Word{2} << place % kWordBits) - 1);
    table_->slots_of(table_->column(column(b)), slots_);
    for (std::size_t j = 0; j < n_supports_; ++j, counts += n_tails_) {
      // without masks: all these rows are in column b
      const auto in = n_masks_ > 0 ? static_cast<std::size_t>(table_->place(mask(j))) : place;
      const Word* masks = table_->row_words(static_cast<std::int64_t>(in / kWordBits));
      for (std::size_t w = place / kWordBits; w < later.size(); ++w) {
        if (later[w] == 0) continue;
        const Word* words = table_->row_words(static_cast<std::int64_t>(w));
        for (const std::uint32_t slot : slots_) {
          if ((masks[slot] >> in % kWordBits & 1) == 0) continue;
          for (Word left = words[slot] & later[w]; left != 0; left &= left - 1)
            ++counts[tail_at[w * kWordBits + static_cast<std::size_t>(std::countr_zero(left))]];
        }
      }
    }
  }
}

void PairCounts::by_columns() {
  const SimdKernels& kernels = simd();
  constexpr std::size_t kStep = kTile;
  const std::size_t n_extensions = n_tails_ + 1;
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
      if (n_masks_ > 0) prefix[k++] = table_->column(mask(j)) + word;
      for (std::size_t b = 0; b < n_first_; b += kStep)
        for (std::size_t c = b + 1; c < n_extensions; c += kStep)
          kernels.count_tile(prefix, k, columns_.data() + b, static_cast<int>(std::min(kStep, n_first_ - b)),
                             columns_.data() + c, static_cast<int>(std::min(kStep, n_extensions - c)), n_words,
                             counts_.data() + (b * n_supports_ + j) * n_tails_ + c - 1,
                             static_cast<std::int64_t>(n_supports_ * n_tails_), nullptr);
    }
  }
}

}  // namespace askew
