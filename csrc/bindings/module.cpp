#include "bindings/bindings.hpp"

PYBIND11_MODULE(_core, module, pybind11::mod_gil_not_used()) {
  module.doc() = "Compiled kernels of askew; askew.engine.native is their Python side.";
  askew::bindings::bind_runtime(module);
  askew::bindings::bind_pack(module);
  askew::bindings::bind_itemsets(module);
  askew::bindings::bind_resample(module);
  askew::bindings::bind_summarize(module);
  askew::bindings::bind_dlpack(module);
  askew::bindings::bind_probes(module);
}
