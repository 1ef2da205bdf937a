#include "cpu/balance.hpp"

#include <algorithm>
#include <bit>
#include <iterator>
#include <numeric>

namespace askew {
namespace {

constexpr std::int64_t kUnitsPerLook = 1 << 16;

// The copies of units that were taken from a stratum: a hash table with open addressing.
class Taken {
 public:
  void clear(std::uint64_t n) {
    table_.assign(std::bit_ceil(2 * n + 1), 0);
    size_ = 0;
  }

  std::uint64_t size() const { return size_; }

  // Whether the copy was there to be taken.
  bool take(std::uint32_t place, std::uint8_t copy) {
    const std::uint64_t token = std::uint64_t{place} * kCopies + copy + 1;
    constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15ull;  // 2^64 / golden ratio: Knuth, TAOCP 6.4
    std::uint64_t i = token * kOdd >> 32;
    for (;; ++i) {
      std::uint64_t& entry = table_[i & (table_.size() - 1)];
      if (entry == token) return false;
      if (entry != 0) continue;
      entry = token;
      ++size_;
      return true;
    }
  }

 private:
  std::vector<std::uint64_t> table_;
  std::uint64_t size_ = 0;
};

// Balances one stratum after the other, in some replicates of a block.
class Balancer {
 public:
  Balancer(const Units& units, const Draws& draws) : units_(units), draws_(draws), key_(balance_key(draws)) {}

  std::vector<BlockChanges::Change> changes;

  void balance(std::int64_t stratum, std::int64_t replicate, std::uint64_t total) {
    begin_ = units_.bounds[stratum];
    size_ = static_cast<std::uint64_t>(units_.bounds[stratum + 1] - begin_);
    stratum_ = static_cast<std::uint32_t>(stratum);
    replicate_ = static_cast<std::uint32_t>(replicate);
    code_ = static_cast<std::uint8_t>(lane_of(static_cast<int>(replicate % kBlockReplicates)));
    if (total < size_) add(size_ - total);
    if (total > size_) take(total - size_);
  }

 private:
  void add(std::uint64_t lack) {
    for (std::uint64_t first = 0; first < lack; first += kProposals) {
      propose(first);
      for (std::uint64_t i = 0; i < std::min<std::uint64_t>(kProposals, lack - first); ++i) change(i, code_);
    }
  }

  void take(std::uint64_t surplus) {
    taken_.clear(surplus);
    for (std::uint64_t first = 0; taken_.size() < surplus; first += kProposals) {
      propose(first);
      std::uint8_t weights[kProposals];
      kernels_.weights_of(draws_, chosen_, replicate_, weights);
      for (std::uint64_t i = 0; i < kProposals && taken_.size() < surplus; ++i)
        if (copies_[i] < weights[i] && taken_.take(places_[i], copies_[i]))
          change(i, static_cast<std::uint8_t>(code_ + kTaken));
    }
  }

  void propose(std::uint64_t first) {
    kernels_.propose(key_, stratum_, size_, replicate_, static_cast<std::uint32_t>(first), places_, copies_);
    for (int i = 0; i < kProposals; ++i) {
      const std::int64_t place = begin_ + places_[i];
      chosen_[i] = units_.members == nullptr ? static_cast<std::uint32_t>(place) : units_.members[place];
    }
  }

  void change(std::uint64_t i, std::uint8_t code) { changes.push_back(std::uint64_t{chosen_[i]} << 8 | code); }

  const SimdKernels& kernels_ = simd();
  const Units& units_;
  const Draws& draws_;
  const ThreefryKey key_;
  Taken taken_;
  std::int64_t begin_ = 0;
  std::uint64_t size_ = 0;
  std::uint32_t stratum_ = 0, replicate_ = 0;
  std::uint8_t code_ = 0;
  std::uint32_t places_[kProposals], chosen_[kProposals];
  std::uint8_t copies_[kProposals];
};

// Digit by digit, the last first (Knuth, The Art of Computer Programming, 5.2.5); no value is above `largest`.
void sort_by_digits(std::vector<std::uint64_t>& values, std::uint64_t largest) {
  constexpr int kDigitBits = 11;
  std::vector<std::uint64_t> sorted(values.size());
  for (int shift = 0; largest >> shift != 0; shift += kDigitBits) {
    std::size_t begins[(1 << kDigitBits) + 1] = {};
    const auto digit = [=](std::uint64_t value) { return value >> shift & ((1 << kDigitBits) - 1); };
    for (const std::uint64_t value : values) ++begins[digit(value) + 1];
    std::partial_sum(std::begin(begins), std::end(begins), begins);
    for (const std::uint64_t value : values) sorted[begins[digit(value)]++] = value;
    values.swap(sorted);
  }
}

std::size_t unit_of(BlockChanges::Change change) { return static_cast<std::size_t>(change >> 8); }

}  // namespace

BlockChanges::BlockChanges(std::vector<Change> changes, std::int64_t n_units, int most_added) {
  sort_by_digits(changes, static_cast<std::uint64_t>(n_units) << 8);
  limit(changes, most_added);
  groups_.assign(static_cast<std::size_t>(words_for(n_units)), {0, 0});
  codes_.reserve(changes.size());
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const std::size_t unit = unit_of(changes[i]);
    if (i == 0 || unit != unit_of(changes[i - 1])) {
      groups_[unit / kWordBits].units |= Word{1} << unit % kWordBits;
      starts_.push_back(static_cast<std::uint32_t>(i));
    }
    codes_.push_back(static_cast<std::uint8_t>(changes[i]));
  }
  starts_.push_back(static_cast<std::uint32_t>(changes.size()));
  std::uint32_t before = 0;
  for (Changes::Group& group : groups_) {
    group.before = before;
    before += static_cast<std::uint32_t>(std::popcount(group.units));
  }
}

// Equal changes stand side by side.
void BlockChanges::limit(std::vector<Change>& changes, int most_added) {
  std::size_t kept = 0;
  int times = 0;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const Change change = changes[i];
    times = i > 0 && change == changes[i - 1] ? times + 1 : 1;
    const bool adds = static_cast<std::uint8_t>(change) < kTaken;
    if (adds && times > most_added) {
      left.push_back(change);
      continue;
    }
    if (adds) largest_ = std::max(largest_, times);
    changes[kept++] = change;
  }
  changes.resize(kept);
}

std::vector<BlockChanges::Change> balance(const Units& units, const Draws& draws, std::int64_t block,
                                          std::int64_t begin, std::int64_t end, Watch& watch, int thread) {
  Balancer balancer(units, draws);
  begin = std::max(begin, block * kBlockReplicates);
  end = std::min(end, (block + 1) * kBlockReplicates);
  std::int64_t until_look = 0;
  for (std::int64_t stratum = 0; stratum < units.n_strata; ++stratum) {
    std::uint64_t totals[kBlockReplicates] = {};
    for (std::int64_t first = units.bounds[stratum]; first < units.bounds[stratum + 1]; first += kUnitsPerLook) {
      const std::int64_t n = std::min(kUnitsPerLook, units.bounds[stratum + 1] - first);
      if ((until_look -= n) < 0) {
        watch.check(thread);
        until_look = kUnitsPerLook;
      }
      simd().total_weights(draws, units.members == nullptr ? nullptr : units.members + first,
                           static_cast<std::uint64_t>(first), n, static_cast<std::uint32_t>(block), totals);
    }
    for (std::int64_t r = begin; r < end; ++r)
      balancer.balance(stratum, r, totals[static_cast<std::size_t>(r % kBlockReplicates)]);
  }
  return std::move(balancer.changes);
}

}  // namespace askew
