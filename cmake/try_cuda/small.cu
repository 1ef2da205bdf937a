// What csrc/cuda/launch.cu asks of a CUDA compiler, in little: its headers, and a kernel for all architectures.
#include "cuda/launch.hpp"
#include "cuda/pack.cuh"
