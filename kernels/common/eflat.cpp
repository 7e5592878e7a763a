#include "kernels/eflat.h"

namespace lowland {

EflatTable lay_out_eflat(EflatAdapter* adapters, int64_t count) {
  const auto blocks = [](int64_t n, int64_t each) { return (n + each - 1) / each; };
  EflatTable table;
  table.count = count;
  int64_t positions = 0;
  for (int64_t k = 0; k < count; ++k) {
    table.most_r = adapters[k].r > table.most_r ? adapters[k].r : table.most_r;
    positions += adapters[k].n + adapters[k].m;
  }
  // Some thousand blocks for a large model, and no fewer than 256 positions each: their sums are written and read.
  table.chunk = positions / 4096 / 64 * 64;
  if (table.chunk < 256) table.chunk = 256;
  if (table.chunk > 1024) table.chunk = 1024;
  for (int64_t k = 0; k < count; ++k) {
    EflatAdapter& d = adapters[k];
    d.gram_block = table.gram_blocks;
    d.row_block = table.row_blocks;
    table.gram_blocks += blocks(d.m, table.chunk) + blocks(d.n, table.chunk);
    table.row_blocks += blocks(d.n, eflat_rows_per_block(d.r));
  }
  return table;
}

}  // namespace lowland
