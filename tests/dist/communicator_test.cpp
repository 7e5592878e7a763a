// What processes do together, by the star: every operation against plain loops, and every way to end.
#include "engine/dist/communicator.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <mutex>
#include <thread>

#include "engine/dist/star.h"
#include "engine/dist/watchdog.h"
#include "engine/error.h"
#include "kernels/common/device_collectives.h"
#include "tests/dist/ranks.h"
#include "tests/emulator.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;
using dist::Communicator;
using dist::Reduce;

namespace {

// Number i of rank r.
double value(int r, int64_t i) { return std::sin(static_cast<double>(7 * r + 1) * (static_cast<double>(i) + 0.5)); }

template <class T> void check_sums(int world, int64_t count, DType dtype, double tolerance) {
  std::vector<std::vector<T>> got(static_cast<size_t>(world));
  must_run(world, [&](Communicator& ranks) {
    std::vector<T> mine(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i)
      mine[static_cast<size_t>(i)] = static_cast<T>(static_cast<float>(100 * value(ranks.rank().index, i)));
    ranks.all_reduce(mine.data(), count, dtype, Reduce::sum, "numbers");
    got[static_cast<size_t>(ranks.rank().index)] = mine;
  });
  double worst = 0;
  for (int64_t i = 0; i < count; ++i) {
    double sum = 0, sizes = 0;
    for (int r = 0; r < world; ++r) {
      const double x = static_cast<double>(static_cast<float>(static_cast<T>(static_cast<float>(100 * value(r, i)))));
      sum += x;
      sizes += std::abs(x);
    }
    const auto first = static_cast<double>(static_cast<float>(got[0][static_cast<size_t>(i)]));
    worst = std::max(worst, std::abs(first - sum) / std::max(1.0, sizes));  // rounding is of what is added
  }
  CHECK(worst <= tolerance);
  for (const auto& other : got) CHECK(std::memcmp(other.data(), got[0].data(), sizeof(T) * other.size()) == 0);
}

bool all_have(const std::vector<std::string>& texts, const std::string& part) {
  for (const std::string& t : texts)
    if (t.find(part) == std::string::npos) return false;
  return true;
}

}  // namespace

TEST_CASE("ranks: sums of every type are those of a loop, the same bits everywhere") {
  for (const int world : {1, 2, 3, 4})
    for (const int64_t count : {1, 31, 100'003}) {
      CAPTURE(world);
      CAPTURE(count);
      check_sums<double>(world, count, DType::f64, 1e-7);  // the oracle reads f32
      check_sums<float>(world, count, DType::f32, 4e-7);
      check_sums<bf16>(world, count, DType::bf16, 1.0 / 256);
      check_sums<int32_t>(world, count, DType::i32, 0);
      check_sums<int64_t>(world, count, DType::i64, 0);
    }
}

TEST_CASE("ranks: greatest, broadcast, gather, texts and tensors") {
  must_run(3, [](Communicator& ranks) {
    const int r = ranks.rank().index;
    int64_t greatest = 10 - r * r;
    ranks.all_reduce(&greatest, 1, DType::i64, Reduce::max, "greatest");
    LL_CHECK(greatest == 10, "greatest {}", greatest);
    LL_CHECK(ranks.broadcast(r == 0 ? std::string("from the first") : "", "text") == "from the first", "broadcast");
    const std::vector<std::string> all = ranks.all_gather(std::string(static_cast<size_t>(2 * r), 'x'), "texts");
    LL_CHECK(all == std::vector<std::string>({"", "xx", "xxxx"}), "gather");
    Context context({}, 1);
    const Tensor x = Tensor::from<double>(context, {2, 2}, {1.0 * r, 2, 3, 4});
    ranks.all_reduce(x, "tensor");
    LL_CHECK(x.to_vector<double>() == std::vector<double>({3, 6, 9, 12}), "tensor sum");
    const Tensor y = Tensor::from<double>(context, {2}, {1.0 + r, 5.0 - r});
    ranks.broadcast(y, "tensor");
    LL_CHECK(y.to_vector<double>() == std::vector<double>({1, 5}), "tensor broadcast");
    ranks.all_reduce(Tensor(), "absent");
  });
  CHECK(dist::alone()->all_gather(std::string("a"), "texts") == std::vector<std::string>{"a"});
}

TEST_CASE("ranks: who ends is named to all, with the call and the step") {
  const auto threw = run_ranks(3, [](Communicator& ranks) {
    ranks.set_step(12);
    if (ranks.rank().index == 2) return ranks.leave("its disk is full");
    std::vector<double> x(1000, 1);
    ranks.all_reduce(x, "gradients");
  });
  CHECK(threw[0] == "[gradients, step 12] rank 2 ended: its disk is full");
  CHECK(threw[1] == threw[0]);
}

TEST_CASE("ranks: one that goes without a word, and one that hangs") {
  const auto gone = run_ranks(4, [](Communicator& ranks) {
    ranks.set_step(3);
    if (ranks.rank().index == 1) fail("gone");
    ranks.barrier("a step");
  });
  CHECK(all_have({gone[0], gone[2], gone[3]}, "[a step, step 3] rank 1 of 4 has ended"));
  const auto start = std::chrono::steady_clock::now();
  const auto hung = run_ranks(
      3,
      [](Communicator& ranks) {
        if (ranks.rank().index == 1) std::this_thread::sleep_for(std::chrono::seconds(4));
        ranks.barrier("a step");
      },
      1.0);
  CHECK(all_have({hung[0], hung[2]}, "rank 1 of 3 has not answered for 1 s"));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(15));
  // The first hangs: nobody tells the others, whose own time runs out.
  const auto first = run_ranks(
      2,
      [](Communicator& ranks) {
        if (ranks.leads()) std::this_thread::sleep_for(std::chrono::seconds(7));
        ranks.barrier("a step");
      },
      0.5);
  CHECK(first[1].find("rank 0 of 2 has not answered") != std::string::npos);
}

TEST_CASE("ranks: two that do not do the same are told so") {
  const auto names = run_ranks(2, [](Communicator& ranks) { ranks.barrier(ranks.leads() ? "one" : "another"); });
  CHECK(all_have(names, "they do not run the same"));
  const auto sizes = run_ranks(2, [](Communicator& ranks) {
    std::vector<double> x(ranks.leads() ? 3 : 4);
    ranks.all_reduce(x, "numbers");
  });
  CHECK(all_have(sizes, "[numbers] (32 bytes)"));
}

TEST_CASE("ranks: who does not come, comes twice, or is another's") {
  const Meeting one, two, three;
  CHECK_THROWS_WITH_AS(dist::make_star(one.launch(0, 2), 0.3), "rank 1 of 2 has not come within 0.3 s", Error);
  std::string first;
  std::thread leader([&] {
    try {
      dist::make_star(two.launch(0, 3), 5);
    } catch (const Error& e) {
      first = e.what();
    }
  });
  std::vector<std::thread> twins;
  for (int i = 0; i < 2; ++i) twins.emplace_back([&] { CHECK_THROWS_AS(dist::make_star(two.launch(1, 3), 5), Error); });
  for (std::thread& t : twins) t.join();
  leader.join();
  CHECK(first == "two processes say that they are rank 1 of 3: do two runs share a port?");
  // A port that is taken, and one where nobody is.
  dist::Launch taken = three.launch(0, 2);
  taken.listener = -1;
  CHECK_THROWS_WITH_AS(dist::make_star(taken, 1), doctest::Contains("cannot listen at port"), Error);
  ::close(three.listener);
  CHECK_THROWS_WITH_AS(dist::make_star(three.launch(1, 2), 0.1), doctest::Contains("nobody listens at 127.0.0.1:"),
                       Error);
}

TEST_CASE("ranks: without an address there is nowhere to meet") {
  dist::Launch l;
  l.rank = {1, 2, 1, 2};
  l.told_by = "RANK";
  CHECK_THROWS_WITH_AS(dist::join(l, 1), doctest::Contains("RANK says that this is process 1 of 2, but MASTER_ADDR"),
                       Error);
  l.address = "127.0.0.1";
  CHECK_THROWS_WITH_AS(dist::join(l, 1), doctest::Contains("MASTER_PORT is not set"), Error);
}

TEST_CASE("ranks: gathers go on beside other work, in one order with all other calls") {
  must_run(3, [](Communicator& ranks) {
    Context context({}, 1);
    const auto mine = [&](int64_t i) { return static_cast<float>(100 * i + ranks.rank().index); };
    std::vector<Tensor> own, all;
    std::vector<Communicator::Gather> gathers;
    for (int64_t i = 0; i < 6; ++i) {
      own.push_back(Tensor::from<float>(context, {16 + i}, std::vector<float>(static_cast<size_t>(16 + i), mine(i))));
      all.push_back(Tensor::zeros(context, {3 * (16 + i)}, DType::f32));
      gathers.push_back(ranks.start_gather(all.back(), own.back(), "a block"));
      if (i == 3) {  // comes behind those that are under way
        std::vector<double> sum = {1.0 + ranks.rank().index};
        ranks.all_reduce(sum, "numbers");
        LL_CHECK(sum[0] == 6, "sum {}", sum[0]);
      }
    }
    for (int64_t i = 5; i >= 0; --i) {
      ranks.finish(gathers[static_cast<size_t>(i)]);
      const std::vector<float> got = all[static_cast<size_t>(i)].to_vector<float>();
      for (size_t k = 0; k < got.size(); ++k)
        LL_CHECK(got[k] == static_cast<float>(100 * i) + static_cast<float>(k / static_cast<size_t>(16 + i)), "gather");
    }
    ranks.finish(ranks.start_gather(all[0], own[0], "once more"));
  });
  const auto alone = dist::alone();
  Context context({}, 1);
  const Tensor x = Tensor::from<float>(context, {2}, {1, 2}), y = Tensor::zeros(context, {2}, DType::f32);
  alone->finish(alone->start_gather(y, x, "alone"));
  CHECK(y.to_vector<float>() == x.to_vector<float>());
}

TEST_CASE("ranks: a gather that cannot end is told where it is waited for, with its step") {
  const auto threw = run_ranks(3, [](Communicator& ranks) {
    ranks.set_step(5);
    if (ranks.rank().index == 1) fail("gone");
    Context context({}, 1);
    const Tensor mine = Tensor::zeros(context, {4}, DType::f32), all = Tensor::zeros(context, {12}, DType::f32);
    const auto gather = ranks.start_gather(all, mine, "block 7");
    ranks.finish(gather);
  });
  CHECK(all_have({threw[0], threw[2]}, "[block 7, step 5] rank 1 of 3 has ended"));
}

TEST_CASE("watchdog: work that ends in time is forgotten; the first that does not is named and given up") {
  std::atomic<size_t> ended{0};
  std::atomic<bool> given_up{false};
  dist::Watchdog watchdog(
      0.2, [&](size_t work) { return work <= ended; }, [&] { given_up = true; });
  const auto wait = [&](const auto& until) {
    for (int i = 0; i < 400 && !until(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  };
  ended = 2;
  watchdog.watch(1, "[one]");
  watchdog.watch(2, "[two]");
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(watchdog.late() == "");
  watchdog.watch(3, "[gradients, step 12]");
  watchdog.watch(4, "[later]");
  wait([&] { return !watchdog.late().empty(); });
  wait([&] { return given_up.load(); });
  CHECK(watchdog.late() == "[gradients, step 12]");
  CHECK(given_up);
}

namespace {

// A GPU whose collectives never end.
struct Stuck final : DeviceCollectives {
  std::atomic<bool>& given_up;
  explicit Stuck(std::atomic<bool>& flag) : given_up(flag) {}
  void all_reduce(void*, int64_t, DType) override {}
  void broadcast(void*, int64_t) override {}
  uint64_t start_gather(void*, const void*, int64_t) override { return 1; }
  void finish_gather(uint64_t) override {}
  size_t mark() override { return 1; }
  bool done(size_t) override { return false; }
  void give_up() override { given_up = true; }
};

}  // namespace

TEST_CASE("ranks: a sum that hangs on the GPUs ends all, with its step and who is missing") {
  std::array<std::atomic<bool>, 3> given_up{};
  const auto threw = run_ranks(
      3,
      [&](Communicator& ranks) {
        const auto r = static_cast<size_t>(ranks.rank().index);
        if (r == 1) {  // stopped, so that its GPU does not come
          for (int i = 0; i < 2000 && !(given_up[0] && given_up[2]); ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
          return std::this_thread::sleep_for(std::chrono::milliseconds(1200));
        }
        ranks.use(std::make_unique<Stuck>(given_up[r]), "NCCL");
        ranks.set_step(12);
        Context context(1, make_emulator(1));
        ranks.all_reduce(Tensor::zeros(context, {4}, DType::f32), "gradients");
        for (int i = 0; i < 2000 && !given_up[r]; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
        ranks.require_whole();
      },
      0.5);
  CHECK(threw[0].starts_with("[gradients, step 12] has not ended on the GPUs for 0.5 s (--dist-timeout): "));
  CHECK(threw[0].find("rank 1 of 3 has not answered") != std::string::npos);
  CHECK(threw[2].find("rank 1 of 3 has not answered") != std::string::npos);
}
