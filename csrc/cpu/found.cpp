#include "cpu/found.hpp"

#include <bit>
#include <numeric>

namespace askew {
namespace {

constexpr int kMaxDigitBits = 11;  // a bucket for each digit, whose ends stay in the L1 cache

// Radix sort, least significant digit first, by keys of `bits` bits; stable.
template <class Record, class Key>
void sort_by(std::vector<Record>& records, int bits, const Key& key) {
  const int n_digits = (bits + kMaxDigitBits - 1) / kMaxDigitBits, digit_bits = (bits + n_digits - 1) / n_digits;
  std::vector<Record> other(records.size());
  std::vector<std::size_t> starts(std::size_t{1} << digit_bits);
  for (int shift = 0; shift < bits; shift += digit_bits) {
    const auto digit = [&](const Record& record) {
      return static_cast<std::size_t>(key(record) >> shift) & (starts.size() - 1);
    };
    std::fill(starts.begin(), starts.end(), 0);
    for (const Record& record : records) ++starts[digit(record)];
    std::exclusive_scan(starts.begin(), starts.end(), starts.begin(), std::size_t{0});
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

// Appends `more`, which is empty then.
template <class T>
void join(std::vector<T>& all, std::vector<T>& more) {
  if (all.empty())
    all.swap(more);
  else
    all.insert(all.end(), more.begin(), more.end());
  more = {};
}

// Keys in order, with the number that each had before: in the low bits of its word where there is room for both.
class SortedKeys {
 public:
  SortedKeys(std::vector<Word>&& keys, std::size_t words, int bits, bool numbered)
      : keys_(std::move(keys)), words_(words) {
    const std::size_t n = keys_.size() / words;
    number_bits_ = numbered ? static_cast<int>(std::bit_width(n)) : 0;
    if (words > 1 || bits + number_bits_ > kWordBits) {
      order_ = order_of(keys_, words);
      return;
    }
    if (numbered)
      for (std::size_t s = 0; s < n; ++s) keys_[s] = keys_[s] << number_bits_ | s;
    sort_by(keys_, bits, [this](Word key) { return key >> number_bits_; });
  }

  std::size_t size() const { return keys_.size() / words_; }
  std::size_t number(std::size_t s) const {
    return order_.empty() ? static_cast<std::size_t>(keys_[s] & ((Word{1} << number_bits_) - 1)) : order_[s];
  }
  Word word(std::size_t s, std::size_t w) const {
    return order_.empty() ? keys_[s] >> number_bits_ : keys_[order_[s] * words_ + w];
  }

 private:
  std::vector<Word> keys_;
  std::size_t words_;
  int number_bits_;
  std::vector<std::size_t> order_;
};

constexpr std::size_t kSetsBetweenLooks = 1 << 14;

}  // namespace

FoundItemsets::FoundItemsets(std::int64_t n_items, std::size_t n_counts)
    : bits_(std::max(static_cast<int>(std::bit_width(static_cast<Word>(n_items))), 1)),
      per_word_(static_cast<std::size_t>(kWordBits / bits_)),
      n_counts_(n_counts) {}

void FoundItemsets::add(const std::vector<std::int32_t>& items, std::int32_t added, const std::int64_t* counts) {
  if (found_.size() <= items.size() + 1) found_.resize(items.size() + 2);
  OfSize& found = found_[items.size() + 1];
  Word key = 0;
  std::size_t n_in_key = 0;
  const auto append = [&](std::int32_t item) {
    if (n_in_key == per_word_) {
      found.keys.push_back(key);
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
  found.keys.push_back(key);
  found.counts.insert(found.counts.end(), counts, counts + n_counts_);
}

MinedItemsets FoundItemsets::in_order(std::vector<FoundItemsets>& parts, const std::vector<std::int32_t>& columns,
                                      int n_threads, const Monitor& monitor) {
  const int bits = parts.front().bits_;
  const std::size_t per_word = parts.front().per_word_, n_counts = parts.front().n_counts_;
  std::vector<OfSize> found;  // [size]
  for (FoundItemsets& part : parts) {
    if (found.size() < part.found_.size()) found.resize(part.found_.size());
    for (std::size_t size = 1; size < part.found_.size(); ++size) {
      join(found[size].keys, part.found_[size].keys);
      join(found[size].counts, part.found_[size].counts);
    }
  }
  std::vector<std::size_t> first_set(found.size() + 1, 0), first_item(found.size() + 1, 0);
  for (std::size_t size = 1; size < found.size(); ++size) {
    const std::size_t n_sets = found[size].keys.size() / ((size + per_word - 1) / per_word);
    first_set[size + 1] = first_set[size] + n_sets;
    first_item[size + 1] = first_item[size] + n_sets * size;
  }
  MinedItemsets all;
  all.size = static_cast<std::int64_t>(first_set.back());
  all.items = std::make_unique_for_overwrite<std::int32_t[]>(first_item.back());
  all.offsets = std::make_unique_for_overwrite<std::int64_t[]>(first_set.back() + 1);
  all.counts = std::make_unique_for_overwrite<std::int64_t[]>(first_set.back() * n_counts);
  all.offsets[first_set.back()] = static_cast<std::int64_t>(first_item.back());
  parallel_for(std::ssize(found), n_threads, monitor, [&](std::int64_t task, int thread, Watch& watch) {
    const auto size = static_cast<std::size_t>(task);
    if (found[size].keys.empty()) return;
    const std::size_t words = (size + per_word - 1) / per_word;
    const SortedKeys keys(std::move(found[size].keys), words, bits * static_cast<int>(size), n_counts > 0);
    std::int32_t* items = all.items.get() + first_item[size];
    for (std::size_t s = 0; s < keys.size(); ++s, items += size) {
      if (s % kSetsBetweenLooks == 0) watch.check(thread);
      all.offsets[first_set[size] + s] = items - all.items.get();
      for (std::size_t begin = 0, w = 0; begin < size; begin += per_word, ++w) {
        Word left = keys.word(s, w);
        for (std::size_t i = std::min(size, begin + per_word); i-- > begin; left >>= bits)
          items[i] = columns[static_cast<std::size_t>(left & ((Word{1} << bits) - 1))];
      }
    }
    std::int64_t* counts = all.counts.get() + first_set[size] * n_counts;
    for (std::size_t s = 0; n_counts > 0 && s < keys.size(); ++s, counts += n_counts)
      std::copy_n(found[size].counts.data() + keys.number(s) * n_counts, n_counts, counts);
    found[size] = {};
  });
  return all;
}

}  // namespace askew
