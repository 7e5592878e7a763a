// LL_HD marks inline functions that run on the host and on a GPU alike.
//
// Inline code that is compiled with several instruction sets must not share one symbol, or the linker may pick the
// AVX-512 version for everybody: it goes into `namespace lowland::LL_HD_NAMESPACE`, which is the backend's own
// namespace inside a kernel and lowland::host elsewhere.
#pragma once

// LL_INLINE is for what must be part of the loop around it: such a function has no symbol, and needs no such namespace.
#define LL_INLINE inline __attribute__((always_inline))

#if defined(__CUDACC__)
#define LL_HD __host__ __device__
#else
#define LL_HD
#endif

#if defined(LL_CPU)
#define LL_HD_NAMESPACE LL_CPU
#elif defined(__CUDACC__)
#define LL_HD_NAMESPACE cuda
#else
#define LL_HD_NAMESPACE host
#endif
