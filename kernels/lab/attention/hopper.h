// attention by the bodies of forward_hopper.h and backward_hopper.h: what is launched, and on which device.
#pragma once
#include "kernels/lab/attention/backward_hopper.h"
#include "kernels/lab/attention/forward_hopper.h"

namespace lowland::hopper {

// The matrices as each body's copies take them.
template <class Body> ForwardMaps<TileMap> maps_of(const cuda::ForwardArgs<bf16>& args) {
  const AttentionShape& s = args.shape;
  return {{args.in.q.data, s.NQ, s.NH, s.HD, args.in.q.stride, Body::kQueries},
          {args.in.k.data, s.NK, s.NKV, s.HD, args.in.k.stride, Body::kKeys},
          {args.in.v.data, s.NK, s.NKV, s.HD, args.in.v.stride, Body::kKeys}};
}
template <class Body, bool kForKeys> BackwardMaps<TileMap> maps_of(const cuda::BackwardArgs<bf16>& args) {
  const AttentionShape& s = args.shape;
  const auto queries = [&](const RowView<const bf16>& x, int rows) {
    return TileMap{x.data, s.NQ, s.NH, s.HD, x.stride, rows};
  };
  const auto keys = [&](const RowView<const bf16>& x, int rows) {
    return TileMap{x.data, s.NK, s.NKV, s.HD, x.stride, rows};
  };
  if constexpr (kForKeys)
    return {{keys(args.in.k, Body::kOwn), keys(args.in.v, Body::kOwn)},
            {queries(args.in.q, Body::kOther), queries(args.dout, Body::kOther)}};
  else
    return {{queries(args.in.q, Body::kOwn), queries(args.dout, Body::kOwn)},
            {keys(args.in.k, Body::kOther), keys(args.in.v, Body::kOther)}};
}

}  // namespace lowland::hopper

namespace lowland::lab {

class DeviceLab;
class HostLab;

// True on the host and on a device of compute capability 9.0: code for sm_90a runs nowhere else.
bool hopper_here(HostLab&);
bool hopper_here(DeviceLab&);
void launch_forward_hopper(HostLab&, const cuda::ForwardArgs<bf16>& args);
void launch_forward_hopper(DeviceLab&, const cuda::ForwardArgs<bf16>& args);
// The pass of dk and dv, or that of dq.
void launch_backward_hopper(HostLab&, const cuda::BackwardArgs<bf16>& args, bool for_keys);
void launch_backward_hopper(DeviceLab&, const cuda::BackwardArgs<bf16>& args, bool for_keys);

}  // namespace lowland::lab
