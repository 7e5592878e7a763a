#include "engine/dist/mpi.h"

#include "engine/error.h"

#ifdef LOWLAND_MPI
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace lowland::dist {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kRollCall = 1, kFarewell = 2;        // tags
constexpr int kTellMs = 2000;                      // to tell somebody that all is over
constexpr int64_t kMostAtOnce = int64_t{1} << 28;  // elements of a message; MPI counts in int

MPI_Datatype type_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return MPI_FLOAT;
    case DType::f64: return MPI_DOUBLE;
    case DType::i32: return MPI_INT32_T;
    case DType::i64: return MPI_INT64_T;
    default: fail("MPI does not add numbers of {}", name_of(dtype));
  }
}

class Mpi final : public Communicator {
 public:
  Mpi(const Launch& launch, double timeout_s) : Communicator(launch.rank, timeout_s) {
    int world = 0, index = 0;
    LL_CHECK(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level_) == MPI_SUCCESS, "MPI cannot begin");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_size(MPI_COMM_WORLD, &world);
    MPI_Comm_rank(MPI_COMM_WORLD, &index);
    LL_CHECK(world == launch.rank.world && index == launch.rank.index,
             "MPI says process {} of {}, and {} says {} of {}: is it another MPI's launcher?", index, world,
             launch.told_by, launch.rank.index, launch.rank.world);
  }
  // Whoever ends by an error must not wait for the others.
  ~Mpi() override {
    end_gathers();
    if (!broken() && !left_) MPI_Finalize();
  }

  std::string engine() const override { return "MPI"; }

  void leave(const std::string& why) override {
    end_gathers();
    left_ = true;
    const std::string text = fmt::format("rank {} ended: {}", rank().index, why);
    std::vector<MPI_Request> sent(world(), MPI_REQUEST_NULL);
    for (int r = 0; r < world(); ++r)
      if (r != rank().index)
        MPI_Isend(text.data(), static_cast<int>(text.size()), MPI_CHAR, r, kFarewell, MPI_COMM_WORLD, &sent[r]);
    const auto end = Clock::now() + std::chrono::milliseconds(kTellMs);
    for (int done = 0; done == 0 && Clock::now() < end; std::this_thread::sleep_for(std::chrono::milliseconds(5)))
      MPI_Testall(world(), sent.data(), &done, MPI_STATUSES_IGNORE);
    std::this_thread::sleep_until(end);  // mpirun ends all when the first is gone: the others shall have read it
  }

 protected:
  void do_reduce(void* data, int64_t count, DType dtype, Reduce how, const char* what) override {
    for (int64_t at = 0; at < count; at += kMostAtOnce) {
      MPI_Request request = MPI_REQUEST_NULL;
      const auto n = static_cast<int>(std::min(count - at, kMostAtOnce));
      check(MPI_Iallreduce(MPI_IN_PLACE, static_cast<char*>(data) + at * size_of(dtype), n, type_of(dtype),
                           how == Reduce::sum ? MPI_SUM : MPI_MAX, MPI_COMM_WORLD, &request),
            what);
      finish(request, what);
    }
  }

  void do_broadcast(void* data, int64_t bytes, const char* what) override {
    for (int64_t at = 0; at < bytes; at += kMostAtOnce) {
      MPI_Request request = MPI_REQUEST_NULL;
      check(MPI_Ibcast(static_cast<char*>(data) + at, static_cast<int>(std::min(bytes - at, kMostAtOnce)), MPI_CHAR, 0,
                       MPI_COMM_WORLD, &request),
            what);
      finish(request, what);
    }
  }

  void do_gather(void* all, const void* mine, int64_t bytes, const char* what) override {
    constexpr int kWide = 64;  // a shard of a large block has more bytes than an int counts
    MPI_Datatype element = MPI_CHAR, wide = MPI_DATATYPE_NULL;
    int64_t n = bytes;
    if (n >= kMostAtOnce && n % kWide == 0) {
      check(MPI_Type_contiguous(kWide, MPI_CHAR, &wide), what);
      check(MPI_Type_commit(&wide), what);
      element = wide;
      n /= kWide;
    }
    LL_CHECK(n < int64_t{1} << 31, "{} {} bytes are too many for one message", where(what), bytes);
    MPI_Request request = MPI_REQUEST_NULL;
    const auto count = static_cast<int>(n);
    check(MPI_Iallgather(mine, count, element, all, count, element, MPI_COMM_WORLD, &request), what);
    finish(request, what);
    if (wide != MPI_DATATYPE_NULL) MPI_Type_free(&wide);
  }

  bool calls_by_any_thread() const override { return level_ >= MPI_THREAD_SERIALIZED; }

 private:
  void check(int status, const char* what) const {
    if (status == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;
    MPI_Error_string(status, text, &length);
    fail("{} MPI: {}", where(what), std::string(text, static_cast<size_t>(length)));
  }

  // Waits without holding a processor for long: another process on this host may need it to come here.
  void finish(MPI_Request& request, const char* what) {
    const auto start = Clock::now();
    for (int64_t tries = 0;; ++tries) {
      int done = 0;
      check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), what);
      if (done != 0) return;
      const double waited = std::chrono::duration<double>(Clock::now() - start).count();
      if (tries % 64 == 63) read_farewell(what);
      if (waited > timeout_s()) fail_for_absent(what);
      if (waited < 1e-3) {
        std::this_thread::yield();
      } else {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    }
  }

  void read_farewell(const char* what) {
    int there = 0, length = 0;
    MPI_Status status;
    MPI_Iprobe(MPI_ANY_SOURCE, kFarewell, MPI_COMM_WORLD, &there, &status);
    if (there == 0) return;
    MPI_Get_count(&status, MPI_CHAR, &length);
    std::string text(static_cast<size_t>(length), '\0');
    MPI_Recv(text.data(), length, MPI_CHAR, status.MPI_SOURCE, kFarewell, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    fail("{} {}", where(what), text);
  }

  // Everybody who waits as well says so: the others are those who hang.
  [[noreturn]] void fail_for_absent(const char* what) {
    int here = 0;
    std::vector<int> heard(world());
    std::vector<MPI_Request> requests(2 * static_cast<size_t>(world()), MPI_REQUEST_NULL);
    for (int r = 0; r < world(); ++r) {
      if (r == rank().index) continue;
      MPI_Isend(&here, 1, MPI_INT, r, kRollCall, MPI_COMM_WORLD, &requests[2 * static_cast<size_t>(r)]);
      MPI_Irecv(&heard[r], 1, MPI_INT, r, kRollCall, MPI_COMM_WORLD, &requests[2 * static_cast<size_t>(r) + 1]);
    }
    std::vector<int> done(world(), 0);
    done[rank().index] = 1;
    for (const auto end = Clock::now() + std::chrono::milliseconds(kTellMs); Clock::now() < end;
         std::this_thread::sleep_for(std::chrono::milliseconds(5)))
      for (int r = 0; r < world(); ++r)
        if (done[r] == 0) MPI_Test(&requests[2 * static_cast<size_t>(r) + 1], &done[r], MPI_STATUS_IGNORE);
    std::vector<int> absent;
    for (int r = 0; r < world(); ++r)
      if (done[r] == 0) absent.push_back(r);
    fail("{} rank {} of {} has not come within {:g} s: it hangs or is slow (--dist-timeout)", where(what),
         absent.empty() ? "?" : fmt::format("{}", fmt::join(absent, ", ")), world(), timeout_s());
  }

  int level_ = 0;  // of threads
  bool left_ = false;
};

}  // namespace

bool has_mpi() { return true; }

std::unique_ptr<Communicator> make_mpi(const Launch& launch, double timeout_s) {
  return std::make_unique<Mpi>(launch, timeout_s);
}

}  // namespace lowland::dist

#else

namespace lowland::dist {

bool has_mpi() { return false; }

std::unique_ptr<Communicator> make_mpi(const Launch&, double) { fail("this build has no MPI"); }

}  // namespace lowland::dist

#endif
