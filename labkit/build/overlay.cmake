# Read by vLLM's own CMakeLists.txt at its project() command (CMAKE_PROJECT_vllm_extensions_INCLUDE), through the small file that
# labkit.build writes into the build folder. Nothing of vLLM's is changed; one small library is added per overlay.

# vLLM asks for a newer GCC (12.3 for x86 CPUs, 13 for CUDA) than some distributions have. That is right for the code that vLLM ships.
# One file for a debugger needs no more than C++20, so a configure with an older GCC may go on, and says so.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  message(STATUS "GCC ${CMAKE_CXX_COMPILER_VERSION}: older than vLLM asks for. Good enough for an overlay, not for a build to use. CMake is told 13 from here on.")
  set(CMAKE_CXX_COMPILER_VERSION 13)
endif()

# vllm_overlay(<name> TARGET <extension target> SOURCE <file of it>
#              [EXPORTS <linker's version script>] [REGISTRATION <C++ file>] [LIBRARY <the wheel's library>]
#              [SONAME <name>] [CUDA_OPTIONS <options>...] [PRECOMPILED_HEADERS])
# A library with one source file of <extension target>, compiled with that target's own definitions, options and include folders.
function(vllm_overlay name)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "PRECOMPILED_HEADERS" "TARGET;SOURCE;EXPORTS;REGISTRATION;LIBRARY;SONAME" "CUDA_OPTIONS")
  if(NOT TARGET ${ARG_TARGET})
    message(FATAL_ERROR "vLLM's CMake has no target ${ARG_TARGET} in this configuration.")
  endif()
  get_target_property(sources ${ARG_TARGET} SOURCES)
  if(NOT ARG_SOURCE IN_LIST sources)
    message(FATAL_ERROR "${ARG_SOURCE} is not among the sources of vLLM's target ${ARG_TARGET}.")
  endif()
  add_library(${name} MODULE EXCLUDE_FROM_ALL ${ARG_SOURCE} ${ARG_REGISTRATION})
  foreach(property COMPILE_DEFINITIONS COMPILE_OPTIONS CUDA_ARCHITECTURES INCLUDE_DIRECTORIES LINK_LIBRARIES)
    get_target_property(value ${ARG_TARGET} ${property})
    if(value)
      list(REMOVE_ITEM value dnnl_ext numa) # oneDNN is a stand-in here, and whoever needs libnuma gets it from the wheel's library
      set_property(TARGET ${name} PROPERTY ${property} "${value}")
    endif()
  endforeach()
  # One name for the source tree on every machine: no path of the learner's in the file, one `set substitute-path` in gdb.
  get_filename_component(tree ${CMAKE_SOURCE_DIR} NAME)
  get_filename_component(environment ${VLLM_PYTHON_EXECUTABLE} DIRECTORY)
  get_filename_component(environment ${environment} DIRECTORY)
  set(home "$ENV{HOME}")
  if(home STREQUAL "" OR home STREQUAL "/")
    set(home ${CMAKE_SOURCE_DIR})
  endif()
  foreach(pair "${home}=/home" "${environment}=/environment" "${CMAKE_BINARY_DIR}=/build" "${CMAKE_SOURCE_DIR}=/${tree}") # the last match wins
    target_compile_options(${name} PRIVATE
      $<$<COMPILE_LANGUAGE:CXX>:-ffile-prefix-map=${pair}> $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-ffile-prefix-map=${pair}>)
  endforeach()
  # nvcc writes the names of its temporary files into the object. In the object's own folder they stay the same: the same source, options and
  # place give the same build-id, as with g++.
  target_compile_options(${name} PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:--objdir-as-tempdir>
    $<$<COMPILE_LANGUAGE:CXX>:SHELL:-include ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/o0_intrinsics.h>
    "$<$<COMPILE_LANGUAGE:CUDA>:${ARG_CUDA_OPTIONS}>")
  target_link_options(${name} PRIVATE LINKER:--build-id LINKER:--compress-debug-sections=zlib LINKER:--as-needed LINKER:--no-undefined)
  if(ARG_SONAME)
    target_link_options(${name} PRIVATE LINKER:-soname,${ARG_SONAME})
  endif()
  if(ARG_EXPORTS)
    target_link_options(${name} PRIVATE LINKER:--version-script=${ARG_EXPORTS})
  endif()
  if(ARG_LIBRARY) # by name and folder, so that the overlay asks the loader for the name, not for a path of this machine
    get_filename_component(folder ${ARG_LIBRARY} DIRECTORY)
    get_filename_component(file ${ARG_LIBRARY} NAME)
    target_link_options(${name} PRIVATE -L${folder} LINKER:-rpath,${folder})
    target_link_libraries(${name} PRIVATE -l:${file})
  endif()
  if(OPEN_MP)
    target_link_libraries(${name} PRIVATE ${OPEN_MP}) # torch's own OpenMP runtime, which vLLM's CMake has found
  endif()
  if(ARG_PRECOMPILED_HEADERS)
    target_precompile_headers(${name} PRIVATE <torch/all.h> <torch/library.h>)
  endif()
endfunction()
