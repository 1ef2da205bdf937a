#include "cpu/bit_table.hpp"

#include <cstring>
#include <numeric>

#include "cpu/simd.hpp"

namespace askew {
namespace {

constexpr std::int64_t kBlockWords = kBlockBits / kWordBits;
constexpr std::int64_t kBlocksPerTask = 64;

// The transposition of 64 columns of 512 rows puts row 64 w + r at 8 r + w.
constexpr std::uint32_t slot_of(std::uint32_t row) {
  return (row & ~std::uint32_t{511}) | (row & 63) << 3 | (row >> 6 & 7);
}

}  // namespace

void BitTable::make_rows(int n_threads, const Monitor& monitor) {
  places_.resize(columns_.size());
  std::iota(places_.begin(), places_.end(), 0);
  n_row_words_ = (n_columns() + kWordBits - 1) / kWordBits;
  rows_.resize(static_cast<std::size_t>(n_row_words_));
  for (WordBuffer& words : rows_) words.reserve(static_cast<std::size_t>(n_words_ * kWordBits));
  const SimdKernels& kernels = simd();
  const std::int64_t n_blocks = n_words_ / kBlockWords, n_tasks = (n_blocks + kBlocksPerTask - 1) / kBlocksPerTask;
  parallel_for(n_tasks, n_threads, monitor, [&](std::int64_t task, int, Watch&) {
    const std::int64_t end = std::min(n_blocks, (task + 1) * kBlocksPerTask);
    for (std::int64_t w = 0; w < n_row_words_; ++w) {
      Word columns[kBlockBits] = {};
      const std::int64_t first = w * kWordBits, n_here = std::min(kWordBits, n_columns() - first);
      for (std::int64_t block = task * kBlocksPerTask; block < end; ++block) {
        for (std::int64_t c = 0; c < n_here; ++c)
          std::memcpy(columns + c * kBlockWords, column(static_cast<std::int32_t>(first + c)) + block * kBlockWords,
                      kBlockWords * sizeof(Word));
        kernels.transpose(columns, rows_[static_cast<std::size_t>(w)].data() + block * kBlockBits);
      }
    }
  });
}

void BitTable::slots_of(const Word* column, std::vector<std::uint32_t>& slots) const {
  slots.clear();
  const Word* const columns[] = {column, column};  // the second is only fetched
  std::uint16_t positions[kMaxOnesWords * kWordBits + kOnesBeyond];
  for (std::int64_t begin = 0; begin < n_words_; begin += kMaxOnesWords) {
    const std::int64_t n = simd().ones_of(columns, 1, begin, std::min(kMaxOnesWords, n_words_ - begin), positions);
    const std::size_t before = slots.size();
    slots.resize(before + static_cast<std::size_t>(n));
    const auto first = static_cast<std::uint32_t>(begin * kWordBits);
    for (std::int64_t i = 0; i < n; ++i) slots[before + static_cast<std::size_t>(i)] = slot_of(first + positions[i]);
  }
}

void BitTable::project(const BitTable& from, const std::vector<std::uint32_t>& slots,
                       const std::vector<std::int32_t>& kept) {
  n_words_ = words_for(std::ssize(slots));
  const auto n_words = static_cast<std::size_t>(n_words_);
  Word* own_columns = own_columns_.reserve(kept.size() * n_words);
  columns_.resize(kept.size());
  places_.resize(kept.size());
  n_row_words_ = 0;
  const SimdKernels& kernels = simd();
  for (std::size_t c = 0; c < kept.size();) {
    const std::int64_t word = from.place(kept[c]) / kWordBits;
    const std::size_t begin = c;
    for (; c < kept.size() && from.place(kept[c]) / kWordBits == word; ++c) {
      columns_[c] = own_columns + c * n_words;
      places_[c] = static_cast<std::int32_t>(n_row_words_ * kWordBits + from.place(kept[c]) % kWordBits);
    }
    if (std::ssize(rows_) == n_row_words_) rows_.emplace_back();
    const std::size_t n_slots = n_words * static_cast<std::size_t>(kWordBits);
    Word* rows = rows_[static_cast<std::size_t>(n_row_words_++)].reserve(n_slots);
    const Word* source = from.row_words(word);
    for (std::size_t i = 0; i < slots.size(); ++i) rows[i] = source[slots[i]];
    std::fill(rows + slots.size(), rows + n_slots, Word{0});
    Word columns[kBlockBits];
    for (std::int64_t block = 0; block < n_words_ / kBlockWords; ++block) {
      kernels.transpose(rows + block * kBlockBits, columns);  // which is its own inverse
      for (std::size_t k = begin; k < c; ++k)
        std::memcpy(own_columns + k * n_words + static_cast<std::size_t>(block * kBlockWords),
                    columns + places_[k] % kWordBits * kBlockWords, kBlockWords * sizeof(Word));
    }
  }
}

}  // namespace askew
