// Compiles the file named by C3D_TARGET_FILE once for each instruction set, in a namespace of its own, and undefines the name.
// Code on vector types must be compiled as a whole for its set: GCC splits the vectors of an inline function that has no
// target itself to what the lowest set holds, before it inlines it; clang refuses to hand them over; and without optimisation
// caller and callee would look for them in different registers. Lambdas do not take part in clang's pragma: those that touch
// vectors are declared with C3D_LAMBDA.
#include "simd.h"

#define C3D_LAMBDA __attribute__((always_inline)) C3D_LAMBDA_TARGET
#define C3D_LAMBDA_TARGET

#if defined(__x86_64__)
#include <immintrin.h>

#define C3D_PRAGMA(text) C3D_PRAGMA_OF(text)
#define C3D_PRAGMA_OF(text) _Pragma(#text)
#ifdef __clang__
#define C3D_BEGIN_TARGET(set) C3D_PRAGMA(clang attribute push(__attribute__((target(set))), apply_to = function))
#define C3D_END_TARGET _Pragma("clang attribute pop")
#else
#define C3D_BEGIN_TARGET(set) _Pragma("GCC push_options") C3D_PRAGMA(GCC target(set))
#define C3D_END_TARGET _Pragma("GCC pop_options")
#endif

C3D_BEGIN_TARGET(C3D_AVX512_SET)
#define C3D_AVX512  // the compiler's own macros do not follow the pragma
#ifdef __clang__
#undef C3D_LAMBDA_TARGET
#define C3D_LAMBDA_TARGET __attribute__((target(C3D_AVX512_SET)))
#endif
namespace c3d::cpu::avx512 {
#include C3D_TARGET_FILE
}
#undef C3D_AVX512
C3D_END_TARGET

C3D_BEGIN_TARGET(C3D_AVX2_SET)
#define C3D_AVX2
#ifdef __clang__
#undef C3D_LAMBDA_TARGET
#define C3D_LAMBDA_TARGET __attribute__((target(C3D_AVX2_SET)))
#endif
namespace c3d::cpu::avx2 {
#include C3D_TARGET_FILE
}
#undef C3D_AVX2
C3D_END_TARGET

#undef C3D_LAMBDA_TARGET
#define C3D_LAMBDA_TARGET
#endif

namespace c3d::cpu::baseline {
#include C3D_TARGET_FILE
}
#undef C3D_TARGET_FILE

// C3D_BEST(function): the address of the best version that the processor can run.
#if defined(__x86_64__)
#define C3D_BEST(function) (C3D_CPU_HAS_AVX512 ? avx512::function : C3D_CPU_HAS_AVX2 ? avx2::function : baseline::function)
#else
#define C3D_BEST(function) baseline::function
#endif
