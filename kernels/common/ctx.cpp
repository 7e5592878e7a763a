#include "kernels/common/ctx.h"

#include "kernels/common/environment.h"
#include "kernels/common/error.h"

namespace lowland {

Scratch::Scratch(Ctx& ctx) : workspace_(*ctx.workspace), mark_(ctx.workspace->mark()) {}
Scratch::~Scratch() { workspace_.release_to(mark_); }
void* Scratch::bytes(size_t n) { return workspace_.take(n); }

Backend detect_cpu_backend() {
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512cd");
  if (!v3) fail("this CPU lacks AVX2 and FMA: Lowland needs x86-64-v3 (Haswell, Zen or later)");
  return v4 && environment::kCpuArch.value() != "v3" ? Backend::cpu_v4 : Backend::cpu_v3;
}

CpuBf16 detect_cpu_bf16() {
  if (environment::kCpuBf16.on()) return CpuBf16::converted;
  const bool native = detect_cpu_backend() == Backend::cpu_v4 && __builtin_cpu_supports("avx512bf16");
  return native ? CpuBf16::native : CpuBf16::none;
}

}  // namespace lowland
