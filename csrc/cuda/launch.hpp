// The kernels of kernels.cuh by name, for code that is not compiled for a GPU.
#pragma once

#include <string_view>

namespace askew::cuda {

struct Kernel {
  std::string_view name;
  const void* function;  // as cudaLaunchKernel wants it
  int n_parameters;
};

// The kernel of that name, or nullptr.
const Kernel* find_kernel(std::string_view name);

}  // namespace askew::cuda
