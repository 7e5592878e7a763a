#include "engine/dist/communicator.h"

#include <algorithm>
#include <chrono>

#include "engine/dist/gather_queue.h"
#include "engine/dist/mpi.h"
#include "engine/dist/star.h"
#include "engine/dist/watchdog.h"
#include "engine/error.h"
#include "kernels/common/device_collectives.h"
#include "kernels/cuda/nccl.h"

namespace lowland::dist {
namespace {

constexpr double kRollCall = 5;  // seconds for everybody to say that he is there, where a GPU does not end

template <class T> void reduce_values(void* sum, const void* other, int64_t count, Reduce how) {
  T* const s = static_cast<T*>(sum);
  const T* const o = static_cast<const T*>(other);
  if (how == Reduce::sum) {
    for (int64_t i = 0; i < count; ++i) s[i] += o[i];
  } else {
    for (int64_t i = 0; i < count; ++i) s[i] = std::max(s[i], o[i]);
  }
}

}  // namespace

void reduce_into(void* sum, const void* other, int64_t count, DType dtype, Reduce how) {
  switch (dtype) {
    case DType::f32: return reduce_values<float>(sum, other, count, how);
    case DType::f64: return reduce_values<double>(sum, other, count, how);
    case DType::i32: return reduce_values<int32_t>(sum, other, count, how);
    case DType::i64: return reduce_values<int64_t>(sum, other, count, how);
    case DType::bf16: fail("bf16 is summed in f32");
    default: fail("numbers of {} are not summed", name_of(dtype));
  }
}

// One call: its time, and that a failed one is the last.
class Communicator::Call {
 public:
  explicit Call(Communicator& c) : c_(c) {
    LL_CHECK(!c.broken_, "the processes can do nothing together any more");
    c.require_whole();
    c.broken_ = true;
    if (c.queue_) c.queue_->finish_all();
  }
  ~Call() { c_.seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  void done() { c_.broken_ = false; }

 private:
  Communicator& c_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Communicator::Communicator(const Rank& rank, double timeout_s) : rank_(rank), timeout_s_(timeout_s) {}

Communicator::~Communicator() = default;

std::string Communicator::name() const { return fmt::format("rank {} of {}", rank_.index, rank_.world); }

std::string Communicator::where(const char* what) const {
  return step_ > 0 ? fmt::format("[{}, step {}]", what, step_) : fmt::format("[{}]", what);
}

void Communicator::use(std::unique_ptr<DeviceCollectives> device, std::string engine) {
  device_ = std::move(device);
  device_engine_ = std::move(engine);
  watchdog_ = std::make_unique<Watchdog>(
      timeout_s(), [d = device_.get()](size_t work) { return d->done(work); }, [d = device_.get()] { d->give_up(); });
}

void Communicator::set_step(int64_t step) {
  if (queue_ && !broken_) queue_->finish_all();  // its errors name the step as well
  step_ = step;
}

void Communicator::end_gathers() { queue_.reset(); }

void Communicator::watch(const char* what) { watchdog_->watch(device_->mark(), where(what)); }

// Who is not there cannot be learnt from a GPU, but the hosts can be asked.
void Communicator::require_whole() {
  if (!watchdog_ || broken_) return;
  const std::string late = watchdog_->late();
  if (late.empty()) return;
  const double waited = timeout_s();
  timeout_s_ = std::min(waited, kRollCall);
  step_ = 0;
  broken_ = true;
  std::string why = "though all processes answer";
  try {
    int32_t here = 1;
    do_reduce(&here, 1, DType::i32, Reduce::max, "roll call");
  } catch (const Error& e) {
    why = e.what();
  }
  fail("{} has not ended on the GPUs for {:g} s (--dist-timeout): {}", late, waited, why);
}

void Communicator::all_reduce(void* data, int64_t count, DType dtype, Reduce how, const char* what) {
  if (alone() || count == 0) return;
  Call call(*this);
  if (dtype == DType::bf16) {
    bf16* const x = static_cast<bf16*>(data);
    std::vector<float> wide(count);
    for (int64_t i = 0; i < count; ++i) wide[i] = static_cast<float>(x[i]);
    do_reduce(wide.data(), count, DType::f32, how, what);
    for (int64_t i = 0; i < count; ++i) x[i] = bf16(wide[i]);
  } else {
    do_reduce(data, count, dtype, how, what);
  }
  call.done();
}

void Communicator::all_reduce(std::vector<double>& values, const char* what, Reduce how) {
  all_reduce(values.data(), std::ssize(values), DType::f64, how, what);
}

void Communicator::broadcast(void* data, int64_t bytes, const char* what) {
  if (alone() || bytes == 0) return;
  Call call(*this);
  do_broadcast(data, bytes, what);
  call.done();
}

std::string Communicator::broadcast(std::string text, const char* what) {
  auto size = static_cast<int64_t>(text.size());
  broadcast(&size, sizeof size, what);
  text.resize(size);
  broadcast(text.data(), size, what);
  return text;
}

void Communicator::all_gather(void* all, const void* mine, int64_t bytes, const char* what) {
  if (bytes == 0) return;
  if (alone()) {
    std::copy_n(static_cast<const char*>(mine), bytes, static_cast<char*>(all));
    return;
  }
  Call call(*this);
  do_gather(all, mine, bytes, what);
  call.done();
}

std::vector<std::string> Communicator::all_gather(const std::string& mine, const char* what) {
  auto longest = static_cast<int64_t>(mine.size());
  std::vector<int64_t> sizes(world());
  all_gather(sizes.data(), &longest, sizeof longest, what);
  longest = *std::max_element(sizes.begin(), sizes.end());
  std::string padded = mine, all(longest * world(), '\0');
  padded.resize(longest);
  all_gather(all.data(), padded.data(), longest, what);
  std::vector<std::string> texts;
  for (int r = 0; r < world(); ++r) texts.push_back(all.substr(r * longest, sizes[r]));
  return texts;
}

void Communicator::barrier(const char* what) {
  int32_t here = 1;
  all_reduce(&here, 1, DType::i32, Reduce::max, what);
}

void Communicator::all_reduce(const Tensor& x, const char* what) {
  if (alone() || !x || x.numel() == 0) return;
  if (x.context().on_cpu()) return all_reduce(x.raw(), x.numel(), x.dtype(), Reduce::sum, what);
  if (device_) {
    Call call(*this);
    device_->all_reduce(x.raw(), x.numel(), x.dtype());
    watch(what);
    return call.done();
  }
  const HostBytes values(x);
  std::vector<char> sum(x.nbytes());
  std::copy_n(static_cast<const char*>(values.data()), x.nbytes(), sum.data());
  all_reduce(sum.data(), x.numel(), x.dtype(), Reduce::sum, what);
  x.assign_bytes(sum.data());
}

void Communicator::broadcast(const Tensor& x, const char* what) {
  if (alone() || !x || x.numel() == 0) return;
  const auto bytes = static_cast<int64_t>(x.nbytes());
  if (x.context().on_cpu()) return broadcast(x.raw(), bytes, what);
  if (device_) {
    Call call(*this);
    device_->broadcast(x.raw(), bytes);
    watch(what);
    return call.done();
  }
  const HostBytes values(x);
  std::vector<char> copy(bytes);
  std::copy_n(static_cast<const char*>(values.data()), bytes, copy.data());
  broadcast(copy.data(), bytes, what);
  x.assign_bytes(copy.data());
}

Communicator::Gather Communicator::start_gather(const Tensor& all, const Tensor& mine, const char* what) {
  const auto bytes = static_cast<int64_t>(mine.nbytes());
  LL_CHECK(bytes > 0 && static_cast<int64_t>(all.nbytes()) == bytes * world(), "{} parts of {} bytes are not {} bytes",
           world(), bytes, all.nbytes());
  if (all.context().on_cpu()) {
    if (alone() || !calls_by_any_thread()) return all_gather(all.raw(), mine.raw(), bytes, what), 0;
    LL_CHECK(!broken_, "the processes can do nothing together any more");
    if (!queue_) queue_ = std::make_unique<GatherQueue>();
    return queue_->start([this, to = all.raw(), from = mine.raw(), bytes, what] { do_gather(to, from, bytes, what); });
  }
  if (device_) {
    Call call(*this);
    const Gather gather = device_->start_gather(all.raw(), mine.raw(), bytes);
    watch(what);
    return call.done(), gather;
  }
  const HostBytes values(mine);
  std::vector<char> parts(all.nbytes());
  all_gather(parts.data(), values.data(), bytes, what);
  all.assign_bytes(parts.data());
  return 0;
}

void Communicator::finish(Gather gather) {
  if (gather == 0) return;
  if (device_) return device_->finish_gather(gather);
  const auto start = std::chrono::steady_clock::now();
  queue_->finish(gather);
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::unique_ptr<Communicator> alone() { return std::make_unique<Communicator>(Rank{}); }

std::unique_ptr<Communicator> join(const Launch& launch, double timeout_s) {
  if (launch.rank.world == 1) return alone();
  LL_CHECK(timeout_s > 0, "processes wait for each other more than 0 s, not {}", timeout_s);
  if (launch.by_mpi && has_mpi()) return make_mpi(launch, timeout_s);
  const std::string missing = launch.address.empty() ? "MASTER_ADDR" : launch.port == 0 ? "MASTER_PORT" : "";
  LL_CHECK(missing.empty(),
           "{} says that this is process {} of {}, but {} is not set: it tells where they meet (or start them with {})",
           launch.told_by, launch.rank.index, launch.rank.world, missing,
           has_mpi() ? "mpirun, or srun --mpi=pmix" : "torchrun or --nproc; this build has no MPI");
  return make_star(launch, timeout_s);
}

std::string use_device(Communicator& ranks, Context& context) {
  if (context.on_cpu() || ranks.alone()) return "";
#ifdef LL_CUDA_BACKEND
  // All or none: whoever cannot use it keeps the others from it.
  std::string why = cuda::why_no_nccl();
  for (const std::string& other : ranks.all_gather(why, "whether NCCL is there"))
    if (why.empty()) why = other;
  if (!why.empty()) return why;
  const std::string id = ranks.broadcast(ranks.leads() ? cuda::nccl_id() : "", "NCCL's id");
  ranks.use(cuda::make_nccl(id, ranks.rank().index, ranks.world(), context.kernels()), "NCCL");
  return "";
#else
  return "this build of Lowland has no NCCL";
#endif
}

}  // namespace lowland::dist
