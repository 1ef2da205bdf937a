#include "bindings/bindings.hpp"
#include "cpu/simd.hpp"

namespace askew::bindings {

void bind_runtime(py::module_& module) {
  module.def("simd_level", [] { return simd().name; });
  module.def("simd_levels", &simd_levels);
  module.def("force_simd", &force_simd, py::arg("level"));
}

}  // namespace askew::bindings
