#include "cpu/bit_table.hpp"

#include <cstring>
#include <numeric>

#include "cpu/simd.hpp"

namespace askew {
namespace {

constexpr std::int64_t kBlockWords = kBlockBits / kWordBits;
constexpr std::int64_t kBlocksPerTask = 64;

// The inverse of slot_of.
constexpr std::uint32_t row_at(std::uint32_t slot) { return slot - slot % 512 + slot % 8 * 64 + slot % 512 / 8; }

}  // namespace

void BitTable::make_rows(int n_threads, const Monitor& monitor) {
  places_.resize(columns_.size());
  std::iota(places_.begin(), places_.end(), 0);
  for (n_row_words_ = 0; n_row_words_ * kWordBits < n_columns();) new_row_words();
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

// Each column is written where the lists of its rows end so far.
bool BitTable::make_lists(std::int64_t max_bytes) {
  std::int64_t n_ones = 0;
  list_begins_.assign(static_cast<std::size_t>(n_words_ * kWordBits) + 2, 0);
  std::vector<std::uint32_t> slots;
  std::uint32_t* const ends = list_begins_.data() + 1;  // that of a slot first counts, then moves to where it belongs
  for (std::int32_t c = 0; c < n_columns(); ++c) {
    slots_of(column(c), slots);
    n_ones += std::ssize(slots);
    if (bytes_of_lists(n_ones) > max_bytes) {
      list_begins_ = {};
      return false;
    }
    for (const std::uint32_t slot : slots) ++ends[slot + 1];
  }
  std::partial_sum(list_begins_.begin(), list_begins_.end(), list_begins_.begin());
  lists_.resize(list_begins_.back());
  for (std::int32_t c = 0; c < n_columns(); ++c) {
    slots_of(column(c), slots);
    for (const std::uint32_t slot : slots) lists_[ends[slot]++] = c;
  }
  list_begins_.pop_back();
  return true;
}

void BitTable::project(const BitTable& from, const std::vector<std::uint32_t>& slots,
                       const std::vector<std::int32_t>& kept) {
  n_words_ = words_for(std::ssize(slots));
  columns_.resize(kept.size());
  places_.resize(kept.size());
  n_row_words_ = 0;
  const auto n_words = static_cast<std::size_t>(n_words_);
  Word* own_columns = own_columns_.reserve(kept.size() * n_words);
  for (std::size_t k = 0; k < kept.size(); ++k) columns_[k] = own_columns + k * n_words;
  if (!from.has_rows()) {
    copy_columns(from, slots, kept, own_columns);
    make_rows(1, {});
    return;
  }
  if (from.has_lists())
    copy_lists(from, slots, kept);
  else
    copy_words(from, slots, kept);

  // The columns are the transposed rows.
  const SimdKernels& kernels = simd();
  for (std::size_t begin = 0, end; begin < kept.size(); begin = end) {
    const std::int64_t word = places_[begin] / kWordBits;
    for (end = begin; end < kept.size() && places_[end] / kWordBits == word;) ++end;
    Word columns[kBlockBits];
    for (std::int64_t block = 0; block < n_words_ / kBlockWords; ++block) {
      kernels.transpose(row_words(word) + block * kBlockBits, columns);  // which is its own inverse
      for (std::size_t k = begin; k < end; ++k)
        std::memcpy(own_columns + k * n_words + static_cast<std::size_t>(block * kBlockWords),
                    columns + places_[k] % kWordBits * kBlockWords, kBlockWords * sizeof(Word));
    }
  }
}

// Word by word, so that a column keeps its bit; words of which no column is kept are left out.
void BitTable::copy_words(const BitTable& from, const std::vector<std::uint32_t>& slots,
                          const std::vector<std::int32_t>& kept) {
  for (std::size_t k = 0; k < kept.size();) {
    const std::int64_t word = from.place(kept[k]) / kWordBits;
    for (; k < kept.size() && from.place(kept[k]) / kWordBits == word; ++k)
      places_[k] = static_cast<std::int32_t>(n_row_words_ * kWordBits + from.place(kept[k]) % kWordBits);
    Word* rows = new_row_words();
    const Word* source = from.row_words(word);
    for (std::size_t i = 0; i < slots.size(); ++i) rows[i] = source[slots[i]];
    std::fill(rows + slots.size(), rows + n_words_ * kWordBits, Word{0});
  }
}

void BitTable::copy_lists(const BitTable& from, const std::vector<std::uint32_t>& slots,
                          const std::vector<std::int32_t>& kept) {
  std::iota(places_.begin(), places_.end(), 0);
  std::vector<Word*> rows;
  for (std::size_t k = 0; k < kept.size(); k += kWordBits) {
    rows.push_back(new_row_words());
    std::fill(rows.back(), rows.back() + n_words_ * kWordBits, Word{0});
  }
  kept_as_.resize(static_cast<std::size_t>(from.n_columns()), -1);
  for (std::size_t k = 0; k < kept.size(); ++k)
    kept_as_[static_cast<std::size_t>(kept[k])] = static_cast<std::int32_t>(k);
  for (std::size_t i = 0; i < slots.size(); ++i)
    for (const std::int32_t c : from.list(slots[i])) {
      const std::int32_t k = kept_as_[static_cast<std::size_t>(c)];
      if (k >= 0) rows[static_cast<std::size_t>(k / kWordBits)][i] |= Word{1} << k % kWordBits;
    }
  for (const std::int32_t c : kept) kept_as_[static_cast<std::size_t>(c)] = -1;
}

// Bit by bit, where there are no rows.
void BitTable::copy_columns(const BitTable& from, const std::vector<std::uint32_t>& slots,
                            const std::vector<std::int32_t>& kept, Word* out) const {
  std::vector<std::uint32_t> rows(slots.size());
  std::transform(slots.begin(), slots.end(), rows.begin(), row_at);
  for (const std::int32_t c : kept) {
    const Word* source = from.column(c);
    for (std::size_t word = 0; word < static_cast<std::size_t>(n_words_); ++word) {
      const std::size_t begin = word * kWordBits, end = std::min(begin + kWordBits, rows.size());
      Word bits = 0;
      for (std::size_t i = begin; i < end; ++i)
        bits |= (source[rows[i] / kWordBits] >> rows[i] % kWordBits & 1) << i % kWordBits;
      *out++ = bits;
    }
  }
}

Word* BitTable::new_row_words() {
  if (std::ssize(rows_) == n_row_words_) rows_.emplace_back();
  return rows_[static_cast<std::size_t>(n_row_words_++)].reserve(static_cast<std::size_t>(n_words_ * kWordBits));
}

std::int64_t BitTable::cycles_to_project(std::int64_t n_rows, std::int64_t n_kept) const {
  const std::int64_t blocks = n_rows / kBlockBits + 1;
  if (!has_rows()) return 3 * n_rows * n_kept;
  const std::int64_t row_words = has_lists() ? n_kept / kWordBits + 1 : std::min(n_row_words_, n_kept);
  return n_rows * (cycles_per_word() * row_words + (has_lists() ? 3 * mean_list() : 0) + 2) + 500 * row_words * blocks +
         1000;
}

}  // namespace askew
