#include "cpu/summarize.hpp"

#include <optional>

#include "bindings/bindings.hpp"

namespace askew::bindings {
namespace {

using Counts = py::array_t<std::int64_t>;
using Signs = py::array_t<std::int8_t>;
using Leans = py::array_t<double>;

// Strides of an array of shape (replicates, sets, groups), in which a dimension of 1 stands for any length.
template <class T>
void strides_of(const py::array_t<T>& array, const std::int64_t (&shape)[3], std::int64_t (&strides)[3]) {
  require(array.ndim() == 3, "arrays of cells must have three dimensions");
  for (int axis = 0; axis < 3; ++axis) {
    require(array.shape(axis) == 1 || array.shape(axis) == shape[axis], "arrays of cells have different shapes");
    require(array.strides(axis) % static_cast<py::ssize_t>(sizeof(T)) == 0, "arrays of cells must be aligned");
    strides[axis] = array.shape(axis) == 1 ? 0 : array.strides(axis) / static_cast<py::ssize_t>(sizeof(T));
  }
}

CountArray counts_of(const Counts& array, const std::int64_t (&shape)[3]) {
  CountArray counts{array.data(), {}};
  strides_of(array, shape, counts.stride);
  return counts;
}

py::tuple summarize_cells(const std::pair<Counts, Counts>& predicted, const std::pair<Counts, Counts>& baseline,
                          bool only_above_uniform, const std::optional<Signs>& sign, const std::optional<Leans>& lean,
                          std::int64_t n_rows, double shift, int n_threads) {
  require(predicted.first.ndim() == 3 && n_rows >= 1, "arrays of cells must have three dimensions, and a row");
  const std::int64_t shape[3] = {n_rows, predicted.first.shape(1), predicted.first.shape(2)};
  Difference difference{{counts_of(predicted.first, shape), counts_of(predicted.second, shape)},
                        {counts_of(baseline.first, shape), counts_of(baseline.second, shape)},
                        only_above_uniform,
                        nullptr,
                        {},
                        nullptr,
                        {},
                        n_rows,
                        shape[1],
                        shape[2]};
  if (sign) {
    difference.sign = sign->data();
    strides_of(*sign, shape, difference.sign_stride);
  }
  if (lean) {
    difference.lean = lean->data();
    strides_of(*lean, shape, difference.lean_stride);
  }
  py::array_t<double> delta({shape[1], shape[2], shape[0]}), deviation({shape[1], shape[2], shape[0]});
  py::array_t<double> spread({shape[1], shape[2]}), statistic({shape[1], shape[2]}), p({shape[1], shape[2]});
  py::array_t<double> sums({std::int64_t{kSumsOverCells}, n_rows});
  std::fill_n(sums.mutable_data(), sums.size(), 0.0);
  const CellSummary out{delta.mutable_data(),     spread.mutable_data(), deviation.mutable_data(),
                        statistic.mutable_data(), p.mutable_data(),      sums.mutable_data()};
  const Monitor monitor = python_monitor(py::none());
  {
    const py::gil_scoped_release release;
    summarize(difference, shift, out, n_threads, monitor);
  }
  return py::make_tuple(delta, spread, deviation, statistic, p, sums);
}

}  // namespace

void bind_summarize(py::module_& module) {
  module.def("summarize", &summarize_cells, py::arg("predicted").noconvert(), py::arg("baseline").noconvert(),
             py::arg("only_above_uniform"), py::arg("sign").noconvert(), py::arg("lean").noconvert(), py::arg("n_rows"),
             py::arg("shift"), py::arg("n_threads"));
}

}  // namespace askew::bindings
