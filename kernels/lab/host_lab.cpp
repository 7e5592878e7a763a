#include "kernels/lab/host_lab.h"

#include <cstdio>
#include <cstdlib>

#include "kernels/common/error.h"

namespace lowland::lab {
namespace {

constexpr double kL2Bytes = 50e6;
// What copies and dense bf16 products reach on an H200, as `bench --roofline` has them.
constexpr double kBytesPerMicrosecond = 4.3e6, kFlopsPerMicrosecond = 790e6;

double floor_of(const Experiment& e) {
  return std::max(e.bytes / kBytesPerMicrosecond, e.flops / kFlopsPerMicrosecond);
}

class HeapWorkspace : public Workspace {
 public:
  void* take(size_t bytes) override {
    blocks_.push_back(std::vector<Line>(bytes / sizeof(Line) + 1));
    return blocks_.back().data();
  }
  size_t mark() const override { return blocks_.size(); }
  void release_to(size_t mark) override { blocks_.resize(mark); }

 private:
  struct alignas(64) Line {
    char bytes[64];
  };
  std::vector<std::vector<Line>> blocks_;
};

}  // namespace

struct HostLab::Host {
  HeapWorkspace workspace;
  Ctx cpu;
};

HostLab::HostLab(bool prints) : host_(std::make_unique<Host>()), prints_(prints) {
  host_->cpu.backend = detect_cpu_backend();
  host_->cpu.workspace = &host_->workspace;
  if (!prints_) return;
  std::printf(
      "No device: bytes, operations and the microseconds that no GPU of 4.3 TB/s and 790 TFLOP/s goes below;\n"
      "each version proved on the host, block by block, against the CPU in f64.\n\n%-24s %-52s %10s %10s %10s\n",
      "op", "shape, version", "MB", "GFLOP", "us, error");
}
HostLab::~HostLab() = default;
Ctx& HostLab::cpu() { return host_->cpu; }
int64_t HostLab::rows_for(double bytes_per_row) const {
  return std::max<int64_t>(1, static_cast<int64_t>(4.0 * kL2Bytes / bytes_per_row));
}

bool HostLab::opens(const Experiment& e) {
  if (e.bytes <= kHostBytes) return true;
  if (prints_)
    std::printf("%-24s %-52s %10.1f %10.1f %10.1f\n", e.op.c_str(), e.shape.c_str(), e.bytes / 1e6, e.flops / 1e9,
                floor_of(e));
  told_.push_back({e.op, e.shape, e.bytes, e.flops});
  return false;
}

void HostLab::measure(const Experiment& e) {
  for (const Version& version : e.versions) {
    Result r{e.op, e.shape, version.name};
    e.prepare();
    version.run();
    r.error = e.error();
    r.proved = r.error <= e.tolerance;
    if (prints_) {
      std::printf("%-24s %-52s %21s %10.1e%s\n", "", ("  " + version.name).c_str(), e.shape.c_str(), r.error,
                  r.proved ? "" : "  WRONG");
      std::fflush(stdout);
    }
    results_.push_back(r);
  }
}

bool HostLab::all_proved() const {
  return std::all_of(results_.begin(), results_.end(), [](const Result& r) { return r.proved; });
}

void HostLab::write_json(const std::string& path) const {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) fail("[lab] " + path + " cannot be written");
  std::fprintf(file, "{\"device\": null, \"shapes\": [");
  const char* separator = "\n";
  for (const Experiment& e : told_) {
    std::fprintf(file, "%s  {\"op\": \"%s\", \"shape\": \"%s\", \"bytes\": %.0f, \"flops\": %.0f, \"floor_us\": %.3f}",
                 separator, e.op.c_str(), e.shape.c_str(), e.bytes, e.flops, floor_of(e));
    separator = ",\n";
  }
  std::fprintf(file, "\n], \"results\": [");
  separator = "\n";
  for (const Result& r : results_) {
    std::fprintf(file, "%s  {\"op\": \"%s\", \"shape\": \"%s\", \"version\": \"%s\", \"error\": %.3e, \"proved\": %s}",
                 separator, r.op.c_str(), r.shape.c_str(), r.version.c_str(), std::isfinite(r.error) ? r.error : 1e300,
                 r.proved ? "true" : "false");
    separator = ",\n";
  }
  std::fprintf(file, "\n]}\n");
  if (std::fclose(file) != 0) fail("[lab] " + path + " cannot be written");
}

}  // namespace lowland::lab
