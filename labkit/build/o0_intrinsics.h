// Put before every C++ file of an overlay. Without optimisation GCC makes some intrinsics macros that want a literal number, and
// vLLM passes one of them a function's argument (csrc/cpu/cpu_types_x86.hpp, FP32Vec16): at -O2 the call is inlined and the number
// is known, at -O0 the file does not compile. Here that one intrinsic becomes a function again.
#if defined(__GNUC__) && !defined(__OPTIMIZE__) && defined(__AVX512DQ__)
  #include <immintrin.h>
  #ifdef _mm512_extracti32x8_epi32
static inline __m256i labkit_extracti32x8(__m512i from, int half) {
  return half ? (__m256i)_mm512_extracti32x8_epi32(from, 1) : (__m256i)_mm512_extracti32x8_epi32(from, 0);
}
    #undef _mm512_extracti32x8_epi32
    #define _mm512_extracti32x8_epi32(from, half) labkit_extracti32x8(from, half)
  #endif
#endif
