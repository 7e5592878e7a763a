// bench --roofline against a block's products written out by hand.
#include "apps/bench/roofline.h"

#include <doctest/doctest.h>

#include "apps/families/llama.h"
#include "apps/families/roberta.h"

using namespace lowland;
using namespace lowland::apps;

namespace {

std::vector<RooflineRow> rows_of(BenchCase& subject, const std::string& preset, int64_t sequences, int64_t length,
                                 const std::string& targets) {
  subject.preset = preset;
  subject.sequences = sequences;
  subject.length = length;
  subject.lora.rank = 16;
  subject.lora.targets = targets;
  subject.check();
  return roofline(subject);
}

struct Sums {
  int64_t calls = 0;
  double bytes = 0, flops = 0;
};
Sums sums_of(const std::vector<RooflineRow>& rows, const std::string& kernel, bool backward) {
  Sums s;
  for (const RooflineRow& r : rows) {
    if (r.backward != backward || (!kernel.empty() && r.kernel != kernel)) continue;
    s.calls += r.calls;
    s.bytes += static_cast<double>(r.calls) * r.bytes;
    s.flops += static_cast<double>(r.calls) * r.flops;
  }
  return s;
}

}  // namespace

TEST_CASE("roofline: a block of Llama-3.1-8B with pairs on all projections") {
  const auto subject = llama_bench();
  const auto rows = rows_of(*subject, "llama-3.1-8b", 2, 4096, "all-linear");
  const double N = 8192, C = 4096, F = 14336, KV = 1024, R = 16, L = 4096;
  const double weights = C * (C + 2 * KV) + C * C + 3 * C * F;
  const double down = 3 * R * C + R * C + 2 * R * C + R * F, up = R * (C + 2 * KV) + R * C + R * 2 * F + R * C;
  const double attention = 4 * N * C * (L + 1) / 2;
  CHECK(sums_of(rows, "linear_forward", false).calls == 4);
  CHECK(sums_of(rows, "linear_forward", false).flops == doctest::Approx(2 * N * weights));
  CHECK(sums_of(rows, "lora_linear_down_forward", false).flops == doctest::Approx(2 * N * down));
  CHECK(sums_of(rows, "matmul", false).flops == doctest::Approx(2 * N * up));
  CHECK(sums_of(rows, "attention_forward", false).flops == doctest::Approx(attention));
  CHECK(sums_of(rows, "", false).flops == doctest::Approx(2 * N * (weights + down + up) + attention));
  CHECK(sums_of(rows, "", true).flops == doctest::Approx(2 * N * (weights + 2 * down + 2 * up) + 2.5 * attention));
  // Both joints of the block: two arrays are read, two written; and w, and a number a row.
  const Sums joints = sums_of(rows, "add_rms_norm_forward", false), back = sums_of(rows, "add_rms_norm_backward", true);
  CHECK(joints.calls == 2);
  CHECK(joints.bytes == doctest::Approx(2 * (4 * N * C * 2 + 2 * C + 4 * N)));
  CHECK(back.calls == 2);
  CHECK(back.bytes == doctest::Approx(2 * (4 * N * C * 2 + 2 * C + 4 * N)));
  CHECK(sums_of(rows, "add", false).calls == 0);
  CHECK(sums_of(rows, "add_into", true).calls == 0);
  for (const RooflineRow& r : rows) {
    CAPTURE(r.kernel);
    CHECK(r.bytes > 0);
    CHECK(r.us() > 0);
    CHECK(r.us() < 3000);
  }
}

TEST_CASE("roofline: a block of RoBERTa with pairs on query and value") {
  const auto subject = roberta_bench();
  const auto rows = rows_of(*subject, "roberta-large", 32, 128, "query,value");
  const double N = 4096, C = 1024;
  CHECK(sums_of(rows, "linear_forward", false).flops == doctest::Approx(2 * N * 12 * C * C));
  CHECK(sums_of(rows, "dropout_add_layer_norm_forward", false).calls == 2);
  CHECK(to_table(rows, *subject).find("roberta-large, 32 x 128, one block") == 0);
}
