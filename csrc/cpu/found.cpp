#include "cpu/found.hpp"

#include <array>
#include <bit>

namespace askew {
namespace {

constexpr int kDigitBits = 8;
constexpr std::size_t kDigits = 1 << kDigitBits;

// Radix sort, least significant digit first, by keys of `bits` bits; stable.
template <class Record, class Key>
void sort_by(std::vector<Record>& records, int bits, const Key& key) {
  std::vector<Record> other(records.size());
  for (int shift = 0; shift < bits; shift += kDigitBits) {
    const auto digit = [&](const Record& record) { return static_cast<std::size_t>(key(record) >> shift) % kDigits; };
    std::array<std::size_t, kDigits + 1> starts{};
    for (const Record& record : records) ++starts[digit(record) + 1];
    for (std::size_t d = 0; d < kDigits; ++d) starts[d + 1] += starts[d];
    for (const Record& record : records) other[starts[digit(record)]++] = record;
    records.swap(other);
  }
}

// The order of keys of several words each: by the last word first.
std::vector<std::size_t> order_of(const std::vector<Word>& keys, std::size_t words) {
  struct Numbered {
    Word key;
    std::size_t number;
  };
  std::vector<Numbered> records(keys.size() / words);
  for (std::size_t s = 0; s < records.size(); ++s) records[s].number = s;
  for (std::size_t word = words; word-- > 0;) {
    for (Numbered& record : records) record.key = keys[record.number * words + word];
    sort_by(records, kWordBits, [](const Numbered& record) { return record.key; });
  }
  std::vector<std::size_t> order(records.size());
  for (std::size_t s = 0; s < records.size(); ++s) order[s] = records[s].number;
  return order;
}

}  // namespace

FoundItemsets::FoundItemsets(std::int64_t n_columns)
    : bits_(static_cast<int>(std::bit_width(static_cast<Word>(n_columns)))),
      per_word_(static_cast<std::size_t>(kWordBits / bits_)) {}

void FoundItemsets::add(const std::vector<std::int32_t>& items, std::int32_t added) {
  if (keys_.size() <= items.size() + 1) keys_.resize(items.size() + 2);
  std::vector<Word>& keys = keys_[items.size() + 1];
  Word key = 0;
  std::size_t n_in_key = 0;
  const auto append = [&](std::int32_t item) {
    if (n_in_key == per_word_) {
      keys.push_back(key);
      key = 0;
      n_in_key = 0;
    }
    key = key << bits_ | static_cast<Word>(item);
    ++n_in_key;
  };
  std::size_t i = 0;
  for (; i < items.size() && items[i] < added; ++i) append(items[i]);
  append(added);
  for (; i < items.size(); ++i) append(items[i]);
  keys.push_back(key);
}

MinedItemsets FoundItemsets::in_order(std::vector<FoundItemsets>& parts, int n_threads, const Monitor& monitor) {
  const int bits = parts.front().bits_;
  const std::size_t per_word = parts.front().per_word_;
  std::vector<std::vector<Word>> keys;  // [size]
  for (FoundItemsets& part : parts) {
    if (keys.size() < part.keys_.size()) keys.resize(part.keys_.size());
    for (std::size_t size = 1; size < part.keys_.size(); ++size) {
      if (keys[size].empty())
        keys[size].swap(part.keys_[size]);
      else
        keys[size].insert(keys[size].end(), part.keys_[size].begin(), part.keys_[size].end());
      part.keys_[size] = {};
    }
  }
  std::vector<std::size_t> first_set(keys.size() + 1, 0), first_item(keys.size() + 1, 0);
  for (std::size_t size = 1; size < keys.size(); ++size) {
    const std::size_t n_sets = keys[size].size() / ((size + per_word - 1) / per_word);
    first_set[size + 1] = first_set[size] + n_sets;
    first_item[size + 1] = first_item[size] + n_sets * size;
  }
  MinedItemsets all;
  all.size = static_cast<std::int64_t>(first_set.back());
  all.items = std::make_unique_for_overwrite<std::int32_t[]>(first_item.back());
  all.offsets = std::make_unique_for_overwrite<std::int64_t[]>(first_set.back() + 1);
  all.offsets[first_set.back()] = static_cast<std::int64_t>(first_item.back());
  parallel_for(std::ssize(keys), n_threads, monitor, [&](std::int64_t task, int, Watch&) {
    const auto size = static_cast<std::size_t>(task);
    std::vector<Word>& mine = keys[size];
    if (mine.empty()) return;
    const std::size_t words = (size + per_word - 1) / per_word, n_sets = mine.size() / words;
    std::vector<std::size_t> order;
    if (words > 1)
      order = order_of(mine, words);
    else
      sort_by(mine, bits * static_cast<int>(size), [](Word key) { return key; });
    for (std::size_t s = 0; s < n_sets; ++s) {
      const Word* key = mine.data() + (words > 1 ? order[s] * words : s);
      const std::size_t first = first_item[size] + s * size;
      all.offsets[first_set[size] + s] = static_cast<std::int64_t>(first);
      for (std::size_t begin = 0; begin < size; begin += per_word) {
        Word left = *key++;
        for (std::size_t i = std::min(size, begin + per_word); i-- > begin; left >>= bits)
          all.items[first + i] = static_cast<std::int32_t>(left & ((Word{1} << bits) - 1));
      }
    }
    mine = {};
  });
  return all;
}

}  // namespace askew
