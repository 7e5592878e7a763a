#include "kernels/lab/attention/hopper_on_host.h"
#include "kernels/lab/host_lab.h"

namespace lowland::lab {
namespace {

constexpr int64_t kBlocks = 3;  // that stay, and take several tiles each

}  // namespace

bool hopper_here(HostLab&) { return true; }

void launch_forward_hopper(HostLab&, const cuda::ForwardArgs<bf16>& args) {
  args.shape.HD == 64 ? hopper::run_forward<64>(args, kBlocks, 1) : hopper::run_forward<128>(args, kBlocks, 1);
}

void launch_backward_hopper(HostLab&, const cuda::BackwardArgs<bf16>& args, bool for_keys) {
  if (args.shape.HD == 64)
    for_keys ? hopper::run_backward<64, true>(args, kBlocks, 1) : hopper::run_backward<64, false>(args, kBlocks, 1);
  else
    for_keys ? hopper::run_backward<128, true>(args, kBlocks, 1) : hopper::run_backward<128, false>(args, kBlocks, 1);
}

}  // namespace lowland::lab
