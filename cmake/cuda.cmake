# Sets ASKEW_BUILD_CUDA: whether the CUDA kernels are built. ASKEW_CUDA=ON makes it an error if they cannot be; AUTO says
# why they are not.
set(ASKEW_BUILD_CUDA OFF)
set(why_not "")

if(ASKEW_CUDA)
  include(CheckLanguage)
  check_language(CUDA)  # a project of its own: a toolkit that refuses the host compiler does not end this one
  if(NOT CMAKE_CUDA_COMPILER)
    set(why_not "no CUDA compiler (nvcc) that works with ${CMAKE_CXX_COMPILER}")
  else()
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      # Ampere, Ada and Hopper; the last also in the form that a driver compiles for what comes later.
      set(CMAKE_CUDA_ARCHITECTURES 80-real 86-real 89-real 90)
    endif()
    # A toolkit that CMake finds may still not know an architecture, or not take the standard library. That would end
    # the build, and AUTO must not cost anybody _core: so a small kernel is compiled first, which takes some seconds.
    set(try "${CMAKE_CURRENT_BINARY_DIR}/try_cuda")
    set(given "")
    foreach(name CMAKE_MAKE_PROGRAM CMAKE_CXX_COMPILER CMAKE_CUDA_COMPILER CMAKE_CUDA_HOST_COMPILER CMAKE_CUDA_FLAGS)
      if(${name})
        list(APPEND given "-D${name}=${${name}}")
      endif()
    endforeach()
    file(REMOVE_RECURSE "${try}")
    execute_process(
      COMMAND "${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/try_cuda" -B "${try}" -G "${CMAKE_GENERATOR}" ${given}
              "-DCMAKE_CUDA_ARCHITECTURES=${CMAKE_CUDA_ARCHITECTURES}"
      RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said)
    if(NOT failed)
      execute_process(COMMAND "${CMAKE_COMMAND}" --build "${try}"
                      RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said)
    endif()
    if(NOT failed)
      enable_language(CUDA)
      find_package(CUDAToolkit)
      if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.0)
        set(why_not "CUDA ${CMAKE_CUDA_COMPILER_VERSION} is older than 12.0")
      elseif(NOT TARGET CUDA::cudart_static)
        set(why_not "the CUDA toolkit has no static runtime library")
      else()
        set(ASKEW_BUILD_CUDA ON)
      endif()
    else()
      set(why_not "${CMAKE_CUDA_COMPILER} does not compile a small kernel for ${CMAKE_CUDA_ARCHITECTURES}\n${said}")
    endif()
  endif()
endif()

if(ASKEW_BUILD_CUDA)
  message(STATUS "CUDA kernels: built with CUDA ${CMAKE_CUDA_COMPILER_VERSION} for ${CMAKE_CUDA_ARCHITECTURES}")
elseif(ASKEW_CUDA STREQUAL "AUTO")
  message(STATUS "CUDA kernels: not built: ${why_not}")
elseif(ASKEW_CUDA)
  message(FATAL_ERROR "ASKEW_CUDA=ON, but: ${why_not}")
endif()
