// The host's side of hopper.h, for proofs. The parts of a block run in turns, one at a time, in an order that a seed
// draws anew at every barrier; what the hardware does beside them happens at the worst moment that it may choose:
//   copies      the place is full of NaN at once, the numbers arrive at some later turn, of two copies in any order
//   products    read their operands, registers too, when they are waited for; sums are NaN from the product to the wait
//   barriers    as PTX has them: an arrival too many, and parts that all wait, are errors
// so that a body which gives a tile back too early, or reads too early, gets a wrong result or an Error.
#pragma once
#include <array>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <list>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "kernels/cuda/host_mma.h"
#include "kernels/lab/hopper/hopper.h"

namespace lowland::hopper {

// Parts that run one at a time. A part gives its turn away in give() and wait_until(); at each turn one of the parts
// that can go on, or an event of later(), is drawn.
class Turns {
 public:
  explicit Turns(uint64_t seed) : engine_(seed) {}

  // Throws what a part threw, or an Error where all of them wait.
  void run(const std::vector<std::function<void()>>& parts) {
    parts_.assign(parts.size(), Part{});
    std::vector<std::thread> threads;
    for (size_t i = 0; i < parts.size(); ++i)
      threads.emplace_back([&, i] {
        try {
          wait_for_turn(i);
          parts[i]();
        } catch (...) {
          stop(std::current_exception());
        }
        leave(i);
      });
    {
      const std::lock_guard lock(mutex_);
      draw();
    }
    changed_.notify_all();
    for (std::thread& thread : threads) thread.join();
    while (!events_.empty()) happen();
    if (failed_) std::rethrow_exception(failed_);
  }

  void give() {
    wait_until([] { return true; });
  }
  void wait_until(std::function<bool()> ready) {
    size_t me = 0;
    {
      const std::lock_guard lock(mutex_);
      me = current_;
      parts_[me].ready = std::move(ready);
      draw();
    }
    changed_.notify_all();
    wait_for_turn(me);
  }
  void later(std::function<void()> event) { events_.push_back(std::move(event)); }

 private:
  struct Part {
    std::function<bool()> ready = [] { return true; };
    bool gone = false;
  };
  static constexpr size_t kNobody = static_cast<size_t>(-1);

  void wait_for_turn(size_t me) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return current_ == me || failed_; });
    if (failed_) std::rethrow_exception(failed_);
  }
  void leave(size_t me) {
    {
      const std::lock_guard lock(mutex_);
      parts_[me].gone = true;
      if (current_ == me) draw();
    }
    changed_.notify_all();
  }
  void stop(const std::exception_ptr& error) {
    const std::lock_guard lock(mutex_);
    if (!failed_) failed_ = error;
  }
  void happen() {
    const size_t i = engine_() % events_.size();
    const auto event = std::move(events_[i]);
    events_.erase(events_.begin() + static_cast<std::ptrdiff_t>(i));
    event();
  }
  // Who goes on. Under the lock.
  void draw() {
    current_ = kNobody;
    while (!failed_) {
      std::vector<size_t> able;
      bool left = false;
      for (size_t i = 0; i < parts_.size(); ++i) {
        left = left || !parts_[i].gone;
        if (!parts_[i].gone && parts_[i].ready()) able.push_back(i);
      }
      if (!events_.empty() && (able.empty() || engine_() % 4 == 0)) {
        happen();
        continue;
      }
      if (able.empty() && left)
        failed_ = std::make_exception_ptr(Error("[lab] every part of the block waits at a barrier"));
      if (!able.empty()) current_ = able[engine_() % able.size()];
      return;
    }
  }

  std::mt19937_64 engine_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Part> parts_;
  std::deque<std::function<void()>> events_;
  std::exception_ptr failed_;
  size_t current_ = kNobody;
};

// What a Barrier's word holds here.
struct HostBarrier {
  int8_t count, pending;
  uint16_t phase;
  int32_t bytes;

  static HostBarrier of(const Barrier* b) {
    HostBarrier h;
    std::memcpy(&h, b, sizeof h);
    return h;
  }
  void store(Barrier* b) {
    if (pending == 0 && bytes == 0) {
      ++phase;
      pending = count;
    }
    std::memcpy(static_cast<void*>(b), this, sizeof *this);
  }
  static void arrive(Barrier* b, int more_bytes = 0) {
    HostBarrier h = of(b);
    if (h.pending == 0) fail("[lab] an arrival too many at a barrier");
    --h.pending;
    h.bytes += more_bytes;
    h.store(b);
  }
  static void arrived(Barrier* b, int bytes) {
    HostBarrier h = of(b);
    h.bytes -= bytes;
    h.store(b);
  }
};
static_assert(sizeof(HostBarrier) == sizeof(Barrier));

inline void start_barrier(Barrier* barrier, int arrivals) {
  HostBarrier h{static_cast<int8_t>(arrivals), static_cast<int8_t>(arrivals), 0, 0};
  std::memcpy(static_cast<void*>(barrier), &h, sizeof h);
}

// What the groups of a block have in common.
struct HostTeam {
  Turns turns;
  uint8_t* shared;  // at a multiple of 1024 bytes
  int64_t index, blocks;
  int meeting = 0, met = 0;
};

template <int Threads, int kSharing> class HostGroup : public cuda::HostBlock<Threads> {
 public:
  using Map = TileMap;
  explicit HostGroup(HostTeam& team) : cuda::HostBlock<Threads>(team.index, team.blocks), team_(team) {}
  uint32_t address(const void* p) const { return static_cast<uint32_t>(static_cast<const uint8_t*>(p) - team_.shared); }
  const uint8_t* shared() const { return team_.shared; }
  Turns& turns() { return team_.turns; }

  void wait(Barrier* barrier, uint32_t parity) {
    team_.turns.wait_until([=] { return (HostBarrier::of(barrier).phase & 1u) != parity; });
  }
  void arrive_each_warp(Barrier* barrier) {
    for (int warp = 0; warp < Threads / cuda::kWarp; ++warp) {
      HostBarrier::arrive(barrier);
      team_.turns.give();
    }
  }
  void expect(Barrier* barrier, int bytes) {
    HostBarrier::arrive(barrier, bytes);
    team_.turns.give();
  }
  void copy(const TileMap& map, Barrier* barrier, void* to, int column, int head, int row) {
    if (address(to) % 1024 != 0) fail("[lab] a copy must begin at a multiple of 1024 bytes");
    const int bytes = map.box_rows * 128;
    std::memset(to, 0xff, static_cast<size_t>(bytes));
    uint8_t* shared = team_.shared;  // the group may be gone when the copy lands
    team_.turns.later([=, at = address(to)] {
      for (int r = 0; r < map.box_rows; ++r)
        for (int c = 0; c < 8; ++c)
          land(map, shared, at + static_cast<uint32_t>(r * 128 + c * 16), column + c * 8, head, row + r);
      HostBarrier::arrived(barrier, bytes);
    });
    team_.turns.give();
  }
  void fence_async() {}
  void settle(Pairs&) {}
  void sync_all() {
    const int now = team_.meeting;
    if (++team_.met == kSharing) {
      team_.met = 0;
      ++team_.meeting;
    }
    team_.turns.wait_until([this, now] { return team_.meeting != now; });
  }

 private:
  // 16 bytes of a box, wanted at `at`: the swizzle exchanges bits 4 to 6 of the address by bits 7 to 9.
  static void land(const TileMap& m, uint8_t* shared, uint32_t at, int column, int head, int row) {
    uint8_t* out = shared + (at / 128 * 128 + ((at / 16 % 8) ^ (at / 128 % 8)) * 16);
    const bool inside = row >= 0 && row < m.rows && head >= 0 && head < m.heads && column < m.HD;
    if (inside)
      std::memcpy(out, m.data + row * m.stride + head * m.HD + column, 16);
    else
      std::memset(out, 0, 16);
  }

  HostTeam& team_;
};

// Element (row, k) of an operand as wgmma finds it; `by_columns` for one that lies N-major.
inline float operand_element(const uint8_t* shared, uint64_t descriptor, bool by_columns, int row, int k) {
  if (descriptor >> 62 != 1) fail("[lab] an operand without the 128-byte swizzle");
  const auto field = [&](int bit) { return static_cast<uint32_t>(descriptor >> bit & 0x3fff) * 16; };
  const uint32_t start = field(0), leading = field(16), stride = field(32);
  const auto i = static_cast<uint32_t>(row), j = static_cast<uint32_t>(k);
  const uint32_t at = by_columns ? start + i / 64 * leading + j / 8 * stride + j % 8 * 128 + i % 64 * 2
                                 : start + i / 8 * stride + i % 8 * 128 + j * 2;
  const uint32_t swizzled = at ^ (at / 128 % 8 * 16);
  bf16 x;
  std::memcpy(static_cast<void*>(&x), shared + swizzled, sizeof x);
  return static_cast<float>(x);
}

template <int Threads, int kSharing> class Products<HostGroup<Threads, kSharing>> {
 public:
  using Group = HostGroup<Threads, kSharing>;
  template <class S> void begin(Group&, S&) {}
  template <class S> void rows(Group& b, S& sums, uint64_t x, uint64_t y, bool adds) {
    const uint8_t* shared = b.shared();
    ask(sums, y, adds, shared, false, [=](int i, int k) { return operand_element(shared, x, false, i, k); });
  }
  template <class S, class P> void pairs(Group& b, S& sums, P& p, uint64_t y) {
    ask(sums, y, true, b.shared(), true, [&p](int i, int k) {  // thread and register of (i, k)
      const uint32_t pair = p[i / 16 * 32 + i % 8 * 4 + k % 8 / 2].r[i % 16 / 8 + 2 * (k / 8)];
      return k % 2 == 0 ? cuda::low_bf16(pair) : cuda::high_bf16(pair);
    });
  }
  void commit(Group& b) {
    groups_.push_back(std::move(open_));
    open_.clear();
    b.turns().give();
  }
  template <int kPending, class... S> void wait(Group& b, S&...) {
    b.turns().give();
    for (; groups_.size() > kPending; groups_.pop_front())
      for (const auto& product : groups_.front()) product();
    for (auto sums = held_.begin(); sums != held_.end();) {
      if (sums->pending > 0) {
        ++sums;
        continue;
      }
      for (int t = 0; t < Threads; ++t)
        std::copy_n(sums->v.data() + static_cast<size_t>(t * sums->count), sums->count, sums->at(t));
      sums = held_.erase(sums);
    }
  }

 private:
  // Sums of products under way: the numbers are here, and what the body sees is NaN.
  struct Held {
    const void* id;
    std::function<float*(int)> at;
    int count, pending;
    std::vector<float> v;
  };
  template <class S> Held& hold(S& sums) {
    for (Held& h : held_)
      if (h.id == &sums) return h;
    Held h{&sums, [&sums](int t) { return &sums[t].c[0][0].v[0]; }, static_cast<int>(sizeof(sums[0]) / 4), 0, {}};
    for (int t = 0; t < Threads; ++t) {
      h.v.insert(h.v.end(), h.at(t), h.at(t) + h.count);
      std::fill_n(h.at(t), h.count, std::nanf(""));
    }
    return held_.emplace_back(std::move(h));
  }
  template <class S, class Left>
  void ask(S& sums, uint64_t y, bool adds, const uint8_t* shared, bool by_columns, const Left& left) {
    Held& h = hold(sums);
    ++h.pending;
    open_.push_back([&h, y, adds, shared, by_columns, left] {
      const int N = 2 * h.count;
      std::array<float, 64 * 16> a;
      std::vector<float> c(static_cast<size_t>(16 * N));
      for (int i = 0; i < 64; ++i)
        for (int k = 0; k < 16; ++k) a[static_cast<size_t>(i * 16 + k)] = left(i, k);
      for (int j = 0; j < N; ++j)
        for (int k = 0; k < 16; ++k) c[static_cast<size_t>(j * 16 + k)] = operand_element(shared, y, by_columns, j, k);
      for (int t = 0; t < Threads; ++t)
        for (int e = 0; e < h.count; ++e) {
          const int i = t / 32 * 16 + t % 32 / 4 + 8 * (e % 4 / 2), j = e / 4 * 8 + t % 4 * 2 + e % 2;
          float sum = 0;
          for (int k = 0; k < 16; ++k) sum += a[static_cast<size_t>(i * 16 + k)] * c[static_cast<size_t>(j * 16 + k)];
          float& to = h.v[static_cast<size_t>(t * h.count + e)];
          to = adds ? to + sum : sum;
        }
      --h.pending;
    });
  }

  std::vector<std::function<void()>> open_;
  std::deque<std::vector<std::function<void()>>> groups_;
  std::list<Held> held_;
};

using HostCopying = HostGroup<cuda::kWarp, 1>;
using HostComputing = HostGroup<kGroupThreads, 2>;

// Shared memory at a multiple of 1024 bytes, full of NaN.
class SharedMemory {
 public:
  explicit SharedMemory(int bytes) : memory_(static_cast<size_t>(bytes) + 1024, 0xff) {}
  uint8_t* at() {
    auto* p = memory_.data();
    return p + (1024 - reinterpret_cast<uintptr_t>(p) % 1024) % 1024;
  }

 private:
  std::vector<uint8_t> memory_;
};

// Every block of a grid of `blocks` blocks, its parts in an order of `seed`.
template <class Body, class Make, class Bring, class Compute>
void run_blocks(int64_t blocks, uint64_t seed, const Make& make, const Bring& bring, const Compute& compute) {
  for (int64_t i = 0; i < blocks; ++i) {
    SharedMemory shared(Body::kShared);
    HostTeam team{Turns(seed * 1000 + static_cast<uint64_t>(i)), shared.at(), i, blocks};
    Body body = make(shared.at());
    body.start([](Barrier* b, int arrivals) { start_barrier(b, arrivals); });
    const auto group = [&](int g) {
      HostComputing b(team);
      compute(body, b, g);
    };
    team.turns.run({[&] {
                      HostCopying b(team);
                      bring(body, b);
                    },
                    [&] { group(0); }, [&] { group(1); }});
  }
}

}  // namespace lowland::hopper
