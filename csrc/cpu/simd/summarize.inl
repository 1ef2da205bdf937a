// A cell of a metric in all replicates: Δ, its spread, its deviations from the sample, and what it adds to sums over
// cells. Every level computes the same numbers to the last bit: sums over replicates are cut into kSumLanes, and the
// compiler contracts nothing.

constexpr std::int64_t kSumLanes = 8;
constexpr double kNoSpread = 1e-12;  // what rounding makes of differences of probabilities that do not vary

inline double maximum(double a, double b) { return a < b ? b : a; }

// A proportion a / b in every replicate.
struct Proportions {
  const double *a, *b;

  // With half a success and half a failure more, its variance is upper / cube.
  double upper(std::int64_t r) const { return (a[r] + 0.5) * (b[r] - a[r] + 0.5); }
  double cube(std::int64_t r) const { return (b[r] + 1) * (b[r] + 1) * (b[r] + 1); }
  // What makes that of the sample unbiased.
  double inflation() const { return b[0] > 1 ? b[0] / (b[0] - 1) : 1.0; }
};

// Counts as floating-point numbers, side by side.
inline const double* read_counts(const CountArray& array, Cell cell, std::int64_t n_rows, double* out) {
  const std::int64_t* counts = element(array.counts, array.stride, cell);
  const std::int64_t step = array.stride[0];
  if (step == 1)
    for (std::int64_t r = 0; r < n_rows; ++r) out[r] = static_cast<double>(counts[r]);
  else
    for (std::int64_t r = 0; r < n_rows; ++r) out[r] = static_cast<double>(counts[r * step]);
  return out;
}

// Sum of f(r) over the replicates that count: one condition says which, for of two that are nested, both on NaN, GCC 12
// makes wrong code for AVX2 (the tests of each level tell). Several sums side by side, for one alone would wait for
// each addition.
template <class Predicate, class Function>
inline double sum_where(const Predicate& counts, std::int64_t n_rows, const Function& f) {
  double sums[kSumLanes] = {};
  std::int64_t r = 1;
  for (; r + kSumLanes <= n_rows; r += kSumLanes)
    for (std::int64_t i = 0; i < kSumLanes; ++i) sums[i] += counts(r + i) ? f(r + i) : 0.0;
  for (; r < n_rows; ++r) sums[0] += counts(r) ? f(r) : 0.0;
  for (std::int64_t i = 1; i < kSumLanes; ++i) sums[0] += sums[i];
  return sums[0];
}

// Of the regression of y on x, NaN of either left out; 0 where x does not vary.
inline double slope(const double* y, const double* x, std::int64_t n_rows) {
  const auto both = [=](std::int64_t r) { return !__builtin_isunordered(x[r], y[r]); };
  const double n = maximum(sum_where(both, n_rows, [](std::int64_t) { return 1.0; }), 1.0);
  const double mean_x = sum_where(both, n_rows, [=](std::int64_t r) { return x[r]; }) / n;
  const double mean_y = sum_where(both, n_rows, [=](std::int64_t r) { return y[r]; }) / n;
  const double squares = sum_where(both, n_rows, [=](std::int64_t r) { return (x[r] - mean_x) * (x[r] - mean_x); });
  const double products = sum_where(both, n_rows, [=](std::int64_t r) { return (x[r] - mean_x) * (y[r] - mean_y); });
  return squares > 0 ? products / squares : 0.0;
}

// What decides the sign of a cell, or whether it enters, in all replicates; null where that does not vary with Δ.
inline const double* lean_of(const Difference& difference, Cell cell, const Proportions& baseline, double spread,
                             double* out) {
  if (difference.sign == nullptr || !(spread > kNoSpread)) return nullptr;
  if (difference.only_above_uniform) {
    const Ratio& ratio = difference.baseline;
    if (ratio.numerator.stride[0] == 0 && ratio.denominator.stride[0] == 0) return nullptr;
    const double uniform = 1.0 / static_cast<double>(difference.n_groups);
    for (std::int64_t r = 0; r < difference.n_rows; ++r) out[r] = baseline.a[r] / baseline.b[r] - uniform;
    return out;
  }
  if (difference.lean == nullptr || difference.lean_stride[0] == 0) return nullptr;
  const double* lean = element(difference.lean, difference.lean_stride, cell);
  for (std::int64_t r = 0; r < difference.n_rows; ++r) out[r] = lean[r * difference.lean_stride[0]];
  return out;
}

// What the cell contributes from noise alone, added to the sums over cells. `lean` decides the sign, or whether the
// cell enters, where it is not that of the sample in all replicates: see signed_noise in askew.summary.
inline void add_noise(const Difference& difference, Cell cell, const double* delta, const double* lean, bool entered,
                      double factor, double* centred) {
  const double sample = delta[0];
  const auto add = [=](std::int64_t r, double noise) { centred[r] += noise == noise ? noise : 0.0; };
  if (lean != nullptr) {
    const double beta = -slope(lean, delta, difference.n_rows), below = difference.only_above_uniform ? 0.0 : -1.0;
    for (std::int64_t r = 1; r < difference.n_rows; ++r) {
      const double step = factor * (delta[r] - sample);
      add(r, (lean[0] + beta * (sample - step) > 0 ? 1.0 : below) * step);
    }
  } else if (entered && difference.sign != nullptr) {
    const double sign = static_cast<double>(*element(difference.sign, difference.sign_stride, cell));
    for (std::int64_t r = 1; r < difference.n_rows; ++r) add(r, sign * (factor * (delta[r] - sample)));
  } else if (entered) {
    for (std::int64_t r = 1; r < difference.n_rows; ++r) add(r, __builtin_fabs(factor * (delta[r] - sample)));
  }
}

// |t*|, with |t| of the sample first, and the p-value of the latter among `n` replicates.
inline void test_cell(const Proportions& predicted, const Proportions& baseline, const double* delta, double unit,
                      double factor, double n, std::int64_t n_rows, double* deviation, double* statistic, double* p) {
  const double sample = delta[0];
  const auto precision = [=](std::int64_t r) {
    const double cube1 = predicted.cube(r), cube2 = baseline.cube(r);
    return __builtin_sqrt(cube1 * cube2 / (predicted.upper(r) * cube2 + baseline.upper(r) * cube1));
  };
  for (std::int64_t r = 1; r < n_rows; ++r) deviation[r] = __builtin_fabs(delta[r] - sample) * unit * precision(r);
  deviation[0] = __builtin_fabs(sample) * unit * precision(0);
  const double t = deviation[0] / factor;
  const auto exceeds = [=](std::int64_t r) { return deviation[r] >= t; };
  const double n_exceeding = sum_where(exceeds, n_rows, [](std::int64_t) { return 1.0; });
  *statistic = t;
  *p = t == t && n_rows > 1 ? (1 + n_exceeding) / (1 + n) : __builtin_nan("");
}

// What the cell adds to how many are defined, to their contributions, and to Δ - shift and its square.
inline void add_to_sums(const Difference& difference, Cell cell, const double* delta, double shift, double* sums) {
  const std::int64_t n_rows = difference.n_rows;
  double *n_defined = sums, *total = sums + n_rows, *shifted = total + n_rows, *squared = shifted + n_rows;
  const auto add = [=](std::int64_t r, double contribution) {
    const bool is_defined = delta[r] == delta[r];
    const double step = is_defined ? delta[r] - shift : 0.0;
    n_defined[r] += is_defined ? 1.0 : 0.0;
    total[r] += is_defined ? contribution : 0.0;
    shifted[r] += step;
    squared[r] += step * step;
  };
  if (difference.sign == nullptr) {
    for (std::int64_t r = 0; r < n_rows; ++r) add(r, __builtin_fabs(delta[r]));
  } else {
    const std::int8_t* sign = element(difference.sign, difference.sign_stride, cell);
    for (std::int64_t r = 0; r < n_rows; ++r) add(r, sign[r * difference.sign_stride[0]] * delta[r]);
  }
}

void summarize_cell(const Difference& difference, Cell cell, double shift, const CellSummary& out, double* room) {
  const std::int64_t n_rows = difference.n_rows, number = cell.set * difference.n_groups + cell.group;
  const double nan = __builtin_nan("");
  const Proportions predicted{read_counts(difference.predicted.numerator, cell, n_rows, room),
                              read_counts(difference.predicted.denominator, cell, n_rows, room + n_rows)};
  const Proportions baseline{read_counts(difference.baseline.numerator, cell, n_rows, room + 2 * n_rows),
                             read_counts(difference.baseline.denominator, cell, n_rows, room + 3 * n_rows)};

  double* delta = out.delta + number * n_rows;
  for (std::int64_t r = 0; r < n_rows; ++r) delta[r] = predicted.a[r] / predicted.b[r] - baseline.a[r] / baseline.b[r];
  const auto is_defined = [=](std::int64_t r) { return delta[r] == delta[r]; };
  const double n = sum_where(is_defined, n_rows, [](std::int64_t) { return 1.0; });
  const double mean = sum_where(is_defined, n_rows, [=](std::int64_t r) { return delta[r]; }) / n;
  const auto square = [=](std::int64_t r) { return (delta[r] - mean) * (delta[r] - mean); };
  const double squares = sum_where(is_defined, n_rows, square);
  const double spread = n > 1 ? __builtin_sqrt(squares / (n - 1)) : nan;
  out.spread[number] = spread;

  const auto above_uniform = [=](std::int64_t r) {
    return static_cast<double>(difference.n_groups) * baseline.a[r] > baseline.b[r];
  };
  const bool defined = is_defined(0), entered = !difference.only_above_uniform || above_uniform(0);
  // by how much deviations from the sample are less than those from the population
  const double first = predicted.upper(0) / predicted.cube(0), second = baseline.upper(0) / baseline.cube(0);
  const double inflated = first * predicted.inflation() + second * baseline.inflation();
  const double factor = __builtin_sqrt(inflated / (first + second));
  if (defined) {
    const double* lean = lean_of(difference, cell, baseline, spread, room + 4 * n_rows);
    add_noise(difference, cell, delta, lean, entered, factor, out.sums + 4 * n_rows);
  }
  const double unit = defined && entered && spread > kNoSpread ? 1.0 : nan;
  test_cell(predicted, baseline, delta, unit, factor, n, n_rows, out.deviation + number * n_rows,
            out.statistic + number, out.p + number);
  if (difference.only_above_uniform)
    for (std::int64_t r = 0; r < n_rows; ++r) delta[r] = above_uniform(r) || !is_defined(r) ? delta[r] : 0.0;
  add_to_sums(difference, cell, delta, shift, out.sums);
}
