// Communicator: the processes that work on one thing, and what they do together. Every process makes the same calls in
// the same order with the same sizes, each with a name that stands in errors beside the step.
//
// A call throws Error, in one sentence, where a process has ended, hangs (longer than the timeout) or is in another
// call; nothing can be done together afterwards. Results are the same bits in every process, and the same in every run
// of as many processes.
//
// Implementations: alone(); MPI (engine/dist/mpi.h); a star of TCP connections around process 0 (engine/dist/star.h),
// which needs nothing but the network. On a GPU numbers go by NCCL where it is there, else by way of the host.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/dist/launch.h"
#include "engine/tensor.h"

namespace lowland {
class DeviceCollectives;
}

namespace lowland::dist {

enum class Reduce : uint8_t { sum, max };

class GatherQueue;
class Watchdog;

class Communicator {
 public:
  explicit Communicator(const Rank& rank, double timeout_s = 0);
  virtual ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  const Rank& rank() const { return rank_; }
  int world() const { return rank_.world; }
  bool leads() const { return rank_.leads(); }
  bool alone() const { return rank_.world == 1; }
  virtual std::string engine() const { return "none"; }
  std::string name() const;                    // "rank 1 of 4"
  void set_step(int64_t step);                 // under way, counted from 1; 0: none. For errors
  double seconds() const { return seconds_; }  // spent in the calls below
  bool broken() const { return broken_; }      // a call has failed
  void use(std::unique_ptr<DeviceCollectives> device, std::string engine);  // for tensors on a GPU

  // --- memory of the host
  // bf16 is summed in f32 and rounded once.
  void all_reduce(void* data, int64_t count, DType dtype, Reduce how, const char* what);
  void all_reduce(std::vector<double>& values, const char* what, Reduce how = Reduce::sum);
  void broadcast(void* data, int64_t bytes, const char* what);  // from process 0
  std::string broadcast(std::string text, const char* what);
  void all_gather(void* all, const void* mine, int64_t bytes, const char* what);  // all: world * bytes, by rank
  std::vector<std::string> all_gather(const std::string& mine, const char* what);
  void barrier(const char* what);

  // --- of any device; on a GPU launched behind what was launched before
  void all_reduce(const Tensor& x, const char* what);  // sum
  void broadcast(const Tensor& x, const char* what);

  // --- a gather of any device, under way beside what is launched meanwhile: on a CPU in a thread of its own, on a GPU
  // in a stream of its own. Calls that come before its end wait for it, so that all processes make them in one order.
  // Neither memory may be touched before finish(), after which all (world * bytes) is there for what is launched next.
  using Gather = uint64_t;
  Gather start_gather(const Tensor& all, const Tensor& mine, const char* what);
  void finish(Gather gather);

  // Error where work that was launched together has not ended in time: to be called where the host has waited for the
  // device. Calls of the host make sure of it by themselves.
  void require_whole();

  // Tells the others why this process ends, as far as they can be told.
  virtual void leave(const std::string& /*why*/) {}

 protected:
  virtual void do_reduce(void* /*data*/, int64_t /*count*/, DType, Reduce, const char* /*what*/) {}
  virtual void do_broadcast(void* /*data*/, int64_t /*bytes*/, const char* /*what*/) {}
  virtual void do_gather(void* /*all*/, const void* /*mine*/, int64_t /*bytes*/, const char* /*what*/) {}

  // Whether another thread may make the calls above, one thread at a time.
  virtual bool calls_by_any_thread() const { return true; }
  void end_gathers();  // of the thread that makes them: to be called before what it calls is gone

  std::string where(const char* what) const;  // "[gradients, step 12]"
  int64_t step() const { return step_; }
  double timeout_s() const { return timeout_s_; }

 private:
  class Call;
  void watch(const char* what);
  Rank rank_;
  std::atomic<double> timeout_s_;
  double seconds_ = 0;
  std::atomic<int64_t> step_ = 0;
  bool broken_ = false;
  std::unique_ptr<DeviceCollectives> device_;
  std::unique_ptr<Watchdog> watchdog_;  // of the device's; goes before it
  std::unique_ptr<GatherQueue> queue_;  // of the host's gathers; made when it is wanted
  std::string device_engine_;
};

std::unique_ptr<Communicator> alone();

// The processes of a launch: by MPI where its launcher started them and this build has it, else by the star at the
// launch's address. Waits until all are there. Error, in one sentence, where that cannot be.
std::unique_ptr<Communicator> join(const Launch& launch, double timeout_s);

// On a GPU: NCCL between them, where it can be used; says why not.
std::string use_device(Communicator& ranks, Context& context);

// Adds numbers of one type, as all_reduce does.
void reduce_into(void* sum, const void* other, int64_t count, DType dtype, Reduce how);

}  // namespace lowland::dist
