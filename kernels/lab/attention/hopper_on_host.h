// forward_hopper.h and backward_hopper.h on the host: `blocks` blocks, the parts of each in an order of `seed`.
#pragma once
#include "kernels/lab/attention/hopper.h"
#include "kernels/lab/hopper/host_hopper.h"

namespace lowland::hopper {

template <int W> void run_forward(cuda::ForwardArgs<bf16> args, int64_t blocks, uint64_t seed) {
  using Body = ForwardHopper<W>;
  args.tiles = cuda::tiles_of(args.shape.max_q, args.shape.NQ, Body::kQueries);
  const ForwardMaps<TileMap> maps = maps_of<Body>(args);
  run_blocks<Body>(
      blocks, seed, [&](uint8_t* shared) { return Body(args.shape, args.tiles, shared); },
      [&](Body& body, HostCopying& b) { body.bring(b, maps); },
      [&](Body& body, HostComputing& b, int group) { body.compute(b, args, group); });
}

template <int W, bool kForKeys> void run_backward(cuda::BackwardArgs<bf16> args, int64_t blocks, uint64_t seed) {
  using Body = BackwardHopper<W, kForKeys>;
  args.tiles = kForKeys ? cuda::tiles_of(args.shape.max_k, args.shape.NK, Body::kOwn)
                        : cuda::tiles_of(args.shape.max_q, args.shape.NQ, Body::kOwn);
  const BackwardMaps<TileMap> maps = maps_of<Body, kForKeys>(args);
  run_blocks<Body>(
      blocks, seed, [&](uint8_t* shared) { return Body(args, shared); },
      [&](Body& body, HostCopying& b) { body.bring(b, maps); },
      [&](Body& body, HostComputing& b, int group) { body.compute(b, group); });
}

}  // namespace lowland::hopper
