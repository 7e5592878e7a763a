#include "kernels/eflat.h"

namespace lowland {

EflatTable lay_out_eflat(EflatAdapter* adapters, int64_t count) {
  EflatTable table;
  table.count = count;
  for (int64_t k = 0; k < count; ++k)
    table.most_r = adapters[k].r > table.most_r ? adapters[k].r : table.most_r;
  return table;
}

}  // namespace lowland
