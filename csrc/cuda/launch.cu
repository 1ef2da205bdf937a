#include "cuda/launch.hpp"

#include "cuda/kernels.cuh"

namespace askew::cuda {
namespace {

template <class... Parameters>
constexpr int count_parameters(void (*)(Parameters...)) {
  static_assert(((sizeof(Parameters) == 8) && ...), "kernels take pointers and integers of 64 bits");
  return sizeof...(Parameters);
}

#define ASKEW_KERNEL(name) {#name, reinterpret_cast<const void*>(&askew_##name), count_parameters(&askew_##name)},
const Kernel kKernels[] = {ASKEW_KERNELS(ASKEW_KERNEL)};

}  // namespace

const Kernel* find_kernel(std::string_view name) {
  for (const Kernel& kernel : kKernels)
    if (kernel.name == name) return &kernel;
  return nullptr;
}

}  // namespace askew::cuda
