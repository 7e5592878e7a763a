#include "kernels/patchify.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

Values patchify_forward(const Values& x, const PatchifyShape& p) {
  Values y;
  for (int64_t s = 0; s < p.S; ++s)
    for (int64_t i = 0; i < p.H / p.P; ++i)
      for (int64_t j = 0; j < p.W / p.P; ++j)
        for (int64_t d = 0; d < p.D; ++d)
          for (int64_t u = 0; u < p.P; ++u)
            for (int64_t v = 0; v < p.P; ++v) y.push_back(x[((s * p.D + d) * p.H + i * p.P + u) * p.W + j * p.P + v]);
  return y;
}

}  // namespace lowland::reference
