#include "apps/bench/roofline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "engine/autograd.h"
#include "engine/context.h"
#include "engine/device/meta_device.h"
#include "engine/error.h"
#include "kernels/attention.h"
#include "kernels/lora_linear.h"
#include "kernels/matmul.h"
#include "kernels/rope.h"

namespace lowland::apps {
namespace {

using Argument = std::vector<char>;

// The arguments of one launch, by their place in the kernel's declaration.
struct Arguments {
  std::vector<Argument> all;
  template <class V> V at(size_t i) const {
    V v;
    LL_CHECK(i < all.size() && all[i].size() == sizeof v, "a launch has other arguments than the roofline expects");
    std::memcpy(&v, all[i].data(), sizeof v);
    return v;
  }
  bool there(size_t i) const { return at<uintptr_t>(i) != 0; }
  bool adds(size_t beta) const { return at<float>(beta) != 0; }
};

constexpr double kElement = 2, kSum = 4;  // bytes of bf16, and of what is summed in f32

double product(int64_t a, int64_t b) { return static_cast<double>(a) * static_cast<double>(b); }

// C (M, N) = A B, inner size K
void count_product(RooflineRow& row, int64_t M, int64_t K, int64_t N, bool adds, double element_of_c) {
  row.shape = fmt::format("{} x {} x {}", M, K, N);
  row.flops = 2 * product(M, K) * static_cast<double>(N);
  row.bytes = kElement * (product(M, K) + product(K, N)) + element_of_c * product(M, N) * (adds ? 2 : 1);
}

void count_attention(RooflineRow& row, const AttentionShape& s) {
  // Segments are equally long here; a causal query sees half of the keys.
  const double keys = s.causal ? static_cast<double>(s.max_k + 1) / 2 : static_cast<double>(s.max_k);
  const double q = product(s.NQ, s.NH * s.HD), kv = product(s.NK, s.NKV * s.HD), lse = kSum * product(s.NQ, s.NH);
  row.shape = fmt::format("{} x {} heads of {}", s.NQ, s.NH, s.HD);
  row.flops = (row.backward ? 10 : 4) * q * keys;
  row.bytes = lse + kElement * (row.backward ? 4 * q + 4 * kv : 2 * q + 2 * kv);  // q, k, v, o; with dout and gradients
}

void count_lora_down(RooflineRow& row, const Arguments& a) {
  const LoraInput in = row.backward ? a.at<LoraInput>(5) : a.at<LoraInput>(3);
  const double x = kElement * product(in.N, in.M), ranks = kElement * product(in.KR, in.M);
  const double one = 2 * product(in.N, in.M) * static_cast<double>(in.KR), xa = kElement * product(in.N, in.KR);
  row.shape = fmt::format("{} x {} x {}", in.N, in.M, in.KR);
  row.flops = one;
  row.bytes = x + ranks + xa;
  if (!row.backward) return;
  const bool dx = a.there(0), da = a.there(1);
  row.flops = one * (dx + da);
  row.bytes = xa;
  if (dx) row.bytes += ranks + x * (a.adds(6) ? 2 : 1);
  if (da) row.bytes += x + 2 * kSum * product(in.KR, in.M);
}

// Collects the launches of both passes.
class Recorder final : public MetaListener {
 public:
  void block(const void* at, size_t bytes) override { blocks_[reinterpret_cast<uintptr_t>(at)] = bytes; }
  void argument(const char*, const void* bytes, size_t size) override {
    const char* from = static_cast<const char*>(bytes);
    arguments_.all.emplace_back(from, from + size);
  }
  void launch(Ctx&, const char* kernel, const Run&, const Run&) override {
    RooflineRow row;
    row.kernel = kernel;
    row.backward = backward;
    row.calls = 1;
    count(row, arguments_);
    arguments_.all.clear();
    rows.push_back(std::move(row));
  }

  bool backward = false;
  std::vector<RooflineRow> rows;

 private:
  // Bytes from an address to the end of its block; 0 for a number that is none.
  double bytes_behind(uintptr_t word) const {
    const auto after = blocks_.upper_bound(word);
    if (after == blocks_.begin()) return 0;
    const auto [at, size] = *std::prev(after);
    return word - at < size ? static_cast<double>(size - (word - at)) : 0;
  }
  // Each array that an argument, or a member of one, points to.
  double bytes_of(const Argument& a) const {
    double sum = 0;
    for (size_t i = 0; i + sizeof(uintptr_t) <= a.size(); i += sizeof(uintptr_t)) {
      uintptr_t word = 0;
      std::memcpy(&word, a.data() + i, sizeof word);
      sum += bytes_behind(word);
    }
    return sum;
  }
  void count(RooflineRow& row, const Arguments& a) const {
    const std::string& k = row.kernel;
    if (k == "matmul" || k == "frozen_matmul" || k == "matmul_acc") {
      const auto s = a.at<MatmulShape>(3);
      count_product(row, s.M, s.K, s.N, a.adds(5), k == "matmul_acc" ? kSum : kElement);
    } else if (k == "linear_forward") {
      count_product(row, a.at<int64_t>(4), a.at<int64_t>(5), a.at<int64_t>(6), a.adds(7), kElement);
    } else if (k == "lora_linear_down_forward" || k == "lora_linear_down_backward") {
      count_lora_down(row, a);
    } else if (k == "attention_forward" || k == "attention_backward") {
      count_attention(row, a.at<AttentionShape>(a.all.size() - 1));
    } else if (k == "rope_forward" || k == "rope_backward") {  // in place, and not the whole of a row
      const auto s = a.at<RopeShape>(3);
      row.bytes = 2 * kElement * product(s.N, s.heads * s.HD);
    } else {
      for (const Argument& each : a.all) row.bytes += bytes_of(each);
      const bool reads_result = k == "add_into" || k == "add_rms_norm_backward" || k == "add_layer_norm_backward";
      if (reads_result) row.bytes += bytes_of({a.all[0].begin(), a.all[0].begin() + sizeof(uintptr_t)});
    }
  }

  std::map<uintptr_t, size_t> blocks_;
  Arguments arguments_;
};

// The launches of a step with so many blocks.
std::vector<RooflineRow> launches(BenchCase& subject, int64_t blocks) {
  Recorder recorder;
  AcceleratorInfo info;
  info.name = "meta";
  info.has_bf16 = true;
  info.captures = false;  // no buckets: the rows that were asked for
  Context context(1, make_meta_device(info, &recorder));
  subject.set_blocks(blocks);
  const std::unique_ptr<nn::Model> model = subject.new_model(default_settings("lora"));
  model->set_recompute(subject.batch.recompute == "block");
  if (subject.narrow_weights) model->set_frozen_dtype(DType::bf16);
  model->materialise(context, DType::bf16);
  const PackedBatch batch = subject.random_batch(*model, 0);
  const Tensor loss = subject.loss(*model, batch, {.training = true, .seed = 1}, 1);
  recorder.backward = true;
  context.tape().backward(loss);
  return recorder.rows;
}

bool same(const RooflineRow& a, const RooflineRow& b) {
  return a.kernel == b.kernel && a.shape == b.shape && a.backward == b.backward && a.bytes == b.bytes &&
         a.flops == b.flops;
}

// Equal ones together, in the order in which they first come.
std::vector<RooflineRow> together(const std::vector<RooflineRow>& rows) {
  std::vector<RooflineRow> out;
  for (const RooflineRow& row : rows) {
    const auto known = std::find_if(out.begin(), out.end(), [&](const auto& r) { return same(r, row); });
    if (known == out.end()) {
      out.push_back(row);
    } else {
      known->calls += row.calls;
    }
  }
  return out;
}

}  // namespace

double RooflineRow::us() const { return 1e6 * std::max(bytes / kRoofBytes, flops / kRoofFlops); }

std::vector<RooflineRow> roofline(BenchCase& subject) {
  const std::vector<RooflineRow> two = together(launches(subject, 2));
  std::vector<RooflineRow> rows;
  for (RooflineRow row : together(launches(subject, 3))) {
    const auto before = std::find_if(two.begin(), two.end(), [&](const auto& r) { return same(r, row); });
    if (before != two.end()) row.calls -= before->calls;
    if (row.calls > 0) rows.push_back(std::move(row));
  }
  return rows;
}

std::string to_table(const std::vector<RooflineRow>& rows, const BenchCase& subject) {
  std::string text = fmt::format("{}, {} x {}, one block, bf16, at {:.1f} TB/s and {:.0f} TFLOP/s\n", subject.preset,
                                 subject.sequences, subject.length, kRoofBytes / 1e12, kRoofFlops / 1e12);
  for (const bool backward : {false, true}) {
    text += fmt::format("{:<30} {:<24} {:>5} {:>9} {:>9} {:>9}  bound by\n", backward ? "backward" : "forward",
                        "rows x inner x columns", "calls", "MB", "GFLOP", "floor us");
    double bytes = 0, flops = 0, us = 0;
    int64_t calls = 0;
    for (const RooflineRow& r : rows) {
      if (r.backward != backward) continue;
      const bool by_bytes = r.bytes / kRoofBytes > r.flops / kRoofFlops;
      text += fmt::format("{:<30} {:<24} {:>5} {:>9.1f} {:>9.1f} {:>9.1f}  {}\n", r.kernel, r.shape, r.calls,
                          r.bytes / 1e6, r.flops / 1e9, r.us(), by_bytes ? "memory" : "arithmetic");
      const auto n = static_cast<double>(r.calls);
      bytes += n * r.bytes, flops += n * r.flops, us += n * r.us(), calls += r.calls;
    }
    text +=
        fmt::format("{:<30} {:<24} {:>5} {:>9.1f} {:>9.1f} {:>9.1f}\n", "all", "", calls, bytes / 1e6, flops / 1e9, us);
  }
  return text;
}

nlohmann::ordered_json to_json(const RooflineRow& r) {
  return {{"kernel", r.kernel}, {"shape", r.shape}, {"pass", r.backward ? "backward" : "forward"},
          {"calls", r.calls},   {"bytes", r.bytes}, {"flops", r.flops},
          {"floor_us", r.us()}};
}

}  // namespace lowland::apps
