#include "bindings/bindings.hpp"

namespace askew::bindings {
namespace {

WordArray empty_columns(std::int64_t n_columns, std::int64_t n) {
  WordArray columns({n_columns, words_for(n)});
  std::fill_n(columns.mutable_data(), columns.size(), Word{0});
  return columns;
}

py::tuple pack_array(const py::array_t<std::uint8_t>& values, int n_threads) {
  require(values.ndim() == 2, "values must be two-dimensional");
  const std::int64_t n = values.shape(0), p = values.shape(1);
  require(n == 0 || p <= 1 || values.strides(1) == 1, "the values of a row must be contiguous");
  WordArray columns({p, words_for(n)});
  const std::uint8_t* data = values.data();
  const std::int64_t row_stride = values.strides(0);
  Word* out = columns.mutable_data();
  const Monitor monitor = python_monitor(py::none());
  std::int64_t wrong;
  {
    const py::gil_scoped_release release;
    wrong = pack(data, n, p, row_stride, out, n_threads, monitor);
  }
  return py::make_tuple(columns, wrong);
}

WordArray pack_sparse_rows(const Int64Array& offsets, const Int32Array& indices, std::int64_t n_columns,
                           int n_threads) {
  const std::int64_t n = offsets.size() - 1;
  require(offsets.ndim() == 1 && indices.ndim() == 1 && n >= 0, "sparse rows must be two one-dimensional arrays");
  const std::int64_t *begin = offsets.data(), *end = begin + offsets.size();
  require(*begin >= 0 && *(end - 1) <= indices.size() && std::is_sorted(begin, end),
          "offsets of sparse rows must rise within the indices");
  require(std::all_of(indices.data(), indices.data() + indices.size(),
                      [=](std::int32_t index) { return index < n_columns; }),
          "sparse rows name a column that does not exist");
  WordArray columns = empty_columns(n_columns, n);
  Word* out = columns.mutable_data();
  const std::int32_t* data = indices.data();
  const Monitor monitor = python_monitor(py::none());
  {
    const py::gil_scoped_release release;
    pack_sparse(begin, data, n, out, n_threads, monitor);
  }
  return columns;
}

py::tuple distinct_rows(const WordArray& columns, std::int64_t n, int n_threads) {
  const Columns pointers = columns_of({columns}, n);
  const Monitor monitor = python_monitor(py::none());
  Patterns found;
  {
    const py::gil_scoped_release release;
    found = patterns(pointers, n, n_threads, monitor);
  }
  return py::make_tuple(Int64Array(static_cast<py::ssize_t>(found.first.size()), found.first.data()),
                        Int64Array(static_cast<py::ssize_t>(found.multiplicity.size()), found.multiplicity.data()));
}

}  // namespace

void bind_pack(py::module_& module) {
  module.def("pack", &pack_array, py::arg("values").noconvert(), py::arg("n_threads"));
  module.def("pack_sparse", &pack_sparse_rows, py::arg("offsets").noconvert(), py::arg("indices").noconvert(),
             py::arg("n_columns"), py::arg("n_threads"));
  module.def("patterns", &distinct_rows, py::arg("columns").noconvert(), py::arg("n"), py::arg("n_threads"));
}

}  // namespace askew::bindings
