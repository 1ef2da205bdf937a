// From counts to what the metrics need of their cells: Δ in every replicate, sums over cells, spread over replicates.
// askew.metrics states it in NumPy.
#include "cpu/summarize.hpp"

#include <cmath>
#include <vector>

namespace askew {
namespace {

constexpr std::int64_t kMaxParts = 16;  // cut by the number of cells alone: no sum depends on the threads
constexpr int kSums = 5;
constexpr double kNoSpread = 1e-12;  // what rounding makes of differences of probabilities that do not vary
constexpr std::int64_t kSumsOfParts = std::int64_t{1} << 22;

// numerator / denominator of one cell in all replicates; 0 / 0 is NaN.
void divide(const Ratio& ratio, std::int64_t set, std::int64_t group, std::int64_t n_rows, double* out) {
  const CountArray &numerator = ratio.numerator, &denominator = ratio.denominator;
  const std::int64_t *a = numerator.cell(set, group), *b = denominator.cell(set, group);
  const std::int64_t step_a = numerator.stride[0], step_b = denominator.stride[0];
  if (step_a == 0 && step_b == 0)
    std::fill_n(out, n_rows, static_cast<double>(*a) / static_cast<double>(*b));
  else if (step_a == 1 && step_b == 1)
    for (std::int64_t r = 0; r < n_rows; ++r) out[r] = static_cast<double>(a[r]) / static_cast<double>(b[r]);
  else
    for (std::int64_t r = 0; r < n_rows; ++r)
      out[r] = static_cast<double>(a[r * step_a]) / static_cast<double>(b[r * step_b]);
}

// Sum of f(value) over the values that are not NaN. Several sums side by side, for one alone would wait for each
// addition.
template <class Function>
double sum_of(const double* values, std::int64_t n_values, const Function& f) {
  constexpr std::int64_t kLanes = 8;
  double sums[kLanes] = {};
  std::int64_t r = 0;
  for (; r + kLanes <= n_values; r += kLanes)
    for (std::int64_t i = 0; i < kLanes; ++i) sums[i] += values[r + i] == values[r + i] ? f(values[r + i]) : 0.0;
  for (; r < n_values; ++r) sums[0] += values[r] == values[r] ? f(values[r]) : 0.0;
  for (std::int64_t i = 1; i < kLanes; ++i) sums[0] += sums[i];
  return sums[0];
}

// Standard deviation, ddof 1, of the values that are not NaN; NaN of fewer than two.
double spread_of(const double* values, std::int64_t n_values) {
  const double n = sum_of(values, n_values, [](double) { return 1.0; });
  const double mean = sum_of(values, n_values, [](double value) { return value; }) / n;
  const double squares = sum_of(values, n_values, [mean](double value) { return (value - mean) * (value - mean); });
  return n > 1 ? std::sqrt(squares / (n - 1)) : std::nan("");
}

// Whether the difference of a cell enters Δ in the sample, or 0 does.
bool enters(const Difference& difference, std::int64_t set, std::int64_t group, std::int64_t n_groups) {
  const CountArray &a = difference.baseline.numerator, &b = difference.baseline.denominator;
  return !difference.only_above_uniform || n_groups * *a.cell(set, group) > *b.cell(set, group);
}

// Of a proportion a / b, in every replicate, the variance with half a success and half a failure more as
// (a + 1/2)(b - a + 1/2) over the cube of (b + 1).
void smooth(const Ratio& ratio, std::int64_t set, std::int64_t group, std::int64_t n_rows, double* upper,
            double* cube) {
  const std::int64_t *a = ratio.numerator.cell(set, group), *b = ratio.denominator.cell(set, group);
  const std::int64_t step_a = ratio.numerator.stride[0], step_b = ratio.denominator.stride[0];
  const auto each = [=](std::int64_t r, std::int64_t along_a, std::int64_t along_b) {
    const double successes = static_cast<double>(a[r * along_a]), trials = static_cast<double>(b[r * along_b]);
    upper[r] = (successes + 0.5) * (trials - successes + 0.5);
    cube[r] = (trials + 1) * (trials + 1) * (trials + 1);
  };
  if (step_a == 1 && step_b == 1)
    for (std::int64_t r = 0; r < n_rows; ++r) each(r, 1, 1);
  else
    for (std::int64_t r = 0; r < n_rows; ++r) each(r, step_a, step_b);
}

// What makes the variance of a proportion of b unbiased.
double inflation(const Ratio& ratio, std::int64_t set, std::int64_t group) {
  const double trials = static_cast<double>(*ratio.denominator.cell(set, group));
  return trials > 1 ? trials / (trials - 1) : 1.0;
}

// By how much deviations from the sample are less than those from the population.
double noise_factor(const Difference& difference, std::int64_t set, std::int64_t group) {
  double upper[2], cube[2];
  smooth(difference.predicted, set, group, 1, &upper[0], &cube[0]);
  smooth(difference.baseline, set, group, 1, &upper[1], &cube[1]);
  const double first = upper[0] / cube[0], second = upper[1] / cube[1];
  return std::sqrt(
      (first * inflation(difference.predicted, set, group) + second * inflation(difference.baseline, set, group)) /
      (first + second));
}

// Deviations of a cell from the sample in units of its standard error.
void deviate(const Difference& difference, std::int64_t set, std::int64_t group, const double* delta, double spread,
             std::int64_t n_rows, double* scratch, double* deviation) {
  double *upper1 = scratch, *cube1 = upper1 + n_rows, *upper2 = cube1 + n_rows, *cube2 = upper2 + n_rows;
  smooth(difference.predicted, set, group, n_rows, upper1, cube1);
  smooth(difference.baseline, set, group, n_rows, upper2, cube2);
  const double unit = spread > kNoSpread ? 1.0 : std::nan("");
  const double sample = delta[0];
  for (std::int64_t r = 0; r < n_rows; ++r) {
    const double step = std::fabs(r == 0 ? sample : delta[r] - sample);
    const double precision = cube1[r] * cube2[r] / (upper1[r] * cube2[r] + upper2[r] * cube1[r]);
    deviation[r] = step * unit * std::sqrt(precision);
  }
}

// Of the regression of y on x, NaN of either left out; 0 where x does not vary.
double slope(const double* y, const double* x, std::int64_t n_values) {
  double n = 0, sum_x = 0, sum_y = 0, squares = 0, products = 0;
  for (std::int64_t r = 0; r < n_values; ++r) {
    const bool both = x[r] == x[r] && y[r] == y[r];
    n += both ? 1.0 : 0.0;
    sum_x += both ? x[r] : 0.0;
    sum_y += both ? y[r] : 0.0;
  }
  const double mean_x = sum_x / std::max(n, 1.0), mean_y = sum_y / std::max(n, 1.0);
  for (std::int64_t r = 0; r < n_values; ++r) {
    const bool both = x[r] == x[r] && y[r] == y[r];
    squares += both ? (x[r] - mean_x) * (x[r] - mean_x) : 0.0;
    products += both ? (x[r] - mean_x) * (y[r] - mean_y) : 0.0;
  }
  return squares > 0 ? products / squares : 0.0;
}

// What decides the sign of a cell, or whether it enters, in all replicates; false where that does not vary with Δ.
bool fill_lean(const Difference& difference, std::int64_t set, std::int64_t group, std::int64_t n_groups,
               const double* baseline, double spread, std::int64_t n_rows, double* out) {
  if (difference.sign == nullptr || !(spread > kNoSpread)) return false;
  if (difference.only_above_uniform) {
    const CountArray &a = difference.baseline.numerator, &b = difference.baseline.denominator;
    if (a.stride[0] == 0 && b.stride[0] == 0) return false;
    const double uniform = 1.0 / static_cast<double>(n_groups);
    for (std::int64_t r = 0; r < n_rows; ++r) out[r] = baseline[r] - uniform;
    return true;
  }
  if (difference.lean == nullptr || difference.lean_stride[0] == 0) return false;
  const double* lean = difference.lean + set * difference.lean_stride[1] + group * difference.lean_stride[2];
  for (std::int64_t r = 0; r < n_rows; ++r) out[r] = lean[r * difference.lean_stride[0]];
  return true;
}

// What the cell contributes from noise alone, added to the sums over cells. `lean` decides the sign, or whether the
// cell enters, where it is not that of the sample in all replicates: see signed_noise in askew.summary.
void add_noise(const Difference& difference, std::int64_t set, std::int64_t group, const double* delta,
               const double* lean, bool entered, std::int64_t n_rows, double* centred) {
  const double factor = noise_factor(difference, set, group), sample = delta[0];
  if (difference.sign == nullptr || lean == nullptr) {
    if (!entered) return;
    const double sign =
        difference.sign == nullptr
            ? 0.0
            : static_cast<double>(difference.sign[set * difference.sign_stride[1] + group * difference.sign_stride[2]]);
    for (std::int64_t r = 1; r < n_rows; ++r) {
      const double step = factor * (delta[r] - sample);
      centred[r] += step == step ? (difference.sign == nullptr ? std::fabs(step) : sign * step) : 0.0;
    }
    return;
  }
  const double beta = -slope(lean + 1, delta + 1, n_rows - 1), below = difference.only_above_uniform ? 0.0 : -1.0;
  for (std::int64_t r = 1; r < n_rows; ++r) {
    const double step = factor * (delta[r] - sample);
    const double sign = lean[0] + beta * (sample - step) > 0 ? 1.0 : below;
    centred[r] += step == step ? sign * step : 0.0;
  }
}

}  // namespace

void summarize(const Difference& difference, std::int64_t n_rows, std::int64_t n_sets, std::int64_t n_groups,
               double shift, const CellSummary& out, int n_threads, const Monitor& monitor) {
  const std::int64_t fitting =
      std::clamp<std::int64_t>(kSumsOfParts / (kSums * std::max<std::int64_t>(n_rows, 1)), 1, kMaxParts);
  const std::int64_t n_parts = std::min(n_sets, fitting);
  std::vector<std::vector<double>> sums(static_cast<std::size_t>(n_parts));
  parallel_for(n_parts, n_threads, monitor, [&](std::int64_t part, int thread, Watch& watch) {
    std::vector<double> predicted(static_cast<std::size_t>(n_rows)), baseline(predicted), leans(predicted),
        scratch(static_cast<std::size_t>(4 * n_rows));
    std::vector<double>& mine = sums[static_cast<std::size_t>(part)];
    mine.assign(static_cast<std::size_t>(kSums * n_rows), 0.0);
    double *defined = mine.data(), *contribution = defined + n_rows, *first = contribution + n_rows,
           *second = first + n_rows, *centred = second + n_rows;
    for (std::int64_t s = n_sets * part / n_parts; s < n_sets * (part + 1) / n_parts; ++s)
      for (std::int64_t g = 0; g < n_groups; ++g) {
        watch.check(thread);
        const std::int64_t cell = s * n_groups + g;
        divide(difference.predicted, s, g, n_rows, predicted.data());
        divide(difference.baseline, s, g, n_rows, baseline.data());
        double* delta = out.delta + cell * n_rows;
        for (std::int64_t r = 0; r < n_rows; ++r)
          delta[r] = predicted[static_cast<std::size_t>(r)] - baseline[static_cast<std::size_t>(r)];
        const double spread = spread_of(delta + 1, n_rows - 1);
        out.spread[cell] = spread;
        const bool entered = enters(difference, s, g, n_groups);
        if (delta[0] == delta[0]) {
          const bool given = fill_lean(difference, s, g, n_groups, baseline.data(), spread, n_rows, leans.data());
          add_noise(difference, s, g, delta, given ? leans.data() : nullptr, entered, n_rows, centred);
        }
        if (entered && delta[0] == delta[0])
          deviate(difference, s, g, delta, spread, n_rows, scratch.data(), out.deviation + cell * n_rows);
        else
          std::fill_n(out.deviation + cell * n_rows, n_rows, std::nan(""));
        if (difference.only_above_uniform) {
          const CountArray &a = difference.baseline.numerator, &b = difference.baseline.denominator;
          const std::int64_t *numerator = a.cell(s, g), *denominator = b.cell(s, g);
          for (std::int64_t r = 0; r < n_rows; ++r) {
            const bool above = n_groups * numerator[r * a.stride[0]] > denominator[r * b.stride[0]];
            delta[r] = above || delta[r] != delta[r] ? delta[r] : 0.0;
          }
        }
        const std::int8_t* sign = difference.sign == nullptr
                                      ? nullptr
                                      : difference.sign + s * difference.sign_stride[1] + g * difference.sign_stride[2];
        for (std::int64_t r = 0; r < n_rows; ++r) {
          const bool is_defined = delta[r] == delta[r];
          const double value = is_defined ? delta[r] : 0.0, shifted = is_defined ? delta[r] - shift : 0.0;
          defined[r] += is_defined ? 1.0 : 0.0;
          contribution[r] += sign == nullptr ? std::fabs(value) : sign[r * difference.sign_stride[0]] * value;
          first[r] += shifted;
          second[r] += shifted * shifted;
        }
      }
  });
  for (const std::vector<double>& part : sums)
    for (std::int64_t i = 0; i < kSums * n_rows; ++i) out.sums[i] += part[static_cast<std::size_t>(i)];
}

}  // namespace askew
