# Only the dot kernels are compiled for newer instructions; simd.cc asks cpuid before one is called.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_definitions(moe_cpu PRIVATE MOESCOPE_X86_SIMD)
  set_source_files_properties(cpu/dot_avx2.cc PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma")
  # gcc 12 takes the undefined passthrough of its own AVX-512 intrinsics for an uninitialised variable.
  set_source_files_properties(cpu/dot_avx512.cc PROPERTIES COMPILE_OPTIONS "-mavx512f;-mavx512bw;-mavx512vl;-mavx512vnni;-Wno-maybe-uninitialized;-Wno-uninitialized")
else()
  set_source_files_properties(cpu/dot_avx2.cc cpu/dot_avx512.cc PROPERTIES HEADER_FILE_ONLY ON)
endif()

# A provider library of an "older build", for `verify` and the tests.
add_library(moescope_older_build MODULE test/library/older_build.cc)
target_link_libraries(moescope_older_build PRIVATE moe_cpu)
set_target_properties(moescope_older_build PROPERTIES PREFIX lib LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/providers)
# ... and libraries that the loader must refuse.
foreach(broken RANGE 4)
  add_library(moescope_broken_${broken} MODULE test/library/broken.cc)
  target_include_directories(moescope_broken_${broken} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_definitions(moescope_broken_${broken} PRIVATE MOESCOPE_BROKEN=${broken})
  set_target_properties(moescope_broken_${broken} PROPERTIES PREFIX lib LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/providers)
endforeach()
