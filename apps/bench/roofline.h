// bench --roofline: what every launch of one block of a preset must at least take on a GPU. The passes run on a meta
// device, so the shapes are those of a step and no device is needed. What a block adds is what a model of three blocks
// launches more than one of two: the first and the last block differ from those between them.
#pragma once
#include <string>
#include <vector>

#include "apps/families/bench_case.h"

namespace lowland::apps {

// What an H200 reaches, not its data sheet: HBM under a copy, dense bf16 products.
inline constexpr double kRoofBytes = 4.3e12, kRoofFlops = 790e12;  // a second

// Equal launches of a block. A launch is a kernel of kernels/*.h: inside, a GPU may split it into several.
struct RooflineRow {
  std::string kernel, shape;  // shape: of a product, rows x inner size x columns
  bool backward = false;
  int64_t calls = 0;
  double bytes = 0, flops = 0;  // of one: each array it must read or write, once for each
  double us() const;            // of one: no GPU of these rates is faster
};

// The subject's preset is read (BenchCase::check). lora, in bf16, at the centre.
std::vector<RooflineRow> roofline(BenchCase& subject);

std::string to_table(const std::vector<RooflineRow>& rows, const BenchCase& subject);
nlohmann::ordered_json to_json(const RooflineRow& row);

}  // namespace lowland::apps
