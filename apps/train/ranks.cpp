#include "apps/train/ranks.h"

#include <string_view>

#include "apps/common/process.h"
#include "apps/common/progress.h"
#include "apps/train/inputs.h"
#include "apps/train/interrupt.h"
#include "engine/error.h"
#include "engine/io/content_hash.h"

namespace lowland::apps {
namespace {

std::string hash_of(const nn::Arena& arena) {
  const HostBytes bytes(arena.values());
  return content_hash_of(std::string_view(static_cast<const char*>(bytes.data()), arena.values().nbytes()));
}

// The first process that has something to say against process 0, and what: Error in all.
void agree(dist::Communicator& ranks, const std::string& different, const char* what) {
  const std::vector<std::string> all = ranks.all_gather(different, what);
  for (size_t r = 0; r < all.size(); ++r) LL_CHECK(all[r].empty(), "rank {} is not as rank 0: {}", r, all[r]);
}

}  // namespace

std::unique_ptr<dist::Communicator> join_ranks(const RankSettings& settings, SystemSettings& system,
                                               BatchSettings& batch) {
  settings.check();
  const dist::Launch launch = dist::read_launch();
  const auto wanted = static_cast<int>(settings.nproc);
  if (wanted > 1 && launch.rank.world == 1) throw Ended{run_processes(wanted)};
  LL_CHECK(wanted == 0 || wanted == launch.rank.world, "--nproc {}, but {} says that there are {} processes already",
           wanted, launch.told_by, launch.rank.world);
  system.rank = batch.rank = launch.rank;
  if (!launch.rank.leads()) hush(fmt::format("rank {}", launch.rank.index));
  return dist::join(launch, settings.timeout);
}

void require_alone(const std::string& verb) {
  const dist::Launch launch = dist::read_launch();
  LL_CHECK(launch.rank.world == 1, "{} works in one process, and {} says that this is one of {}", verb, launch.told_by,
           launch.rank.world);
}

void run_together(dist::Communicator& ranks, const std::function<void()>& work) {
  try {
    work();
    ranks.barrier("the end");
  } catch (const Interrupted&) {
    throw;  // all were asked to stop
  } catch (const std::exception& e) {
    if (!ranks.alone() && !ranks.broken()) ranks.leave(e.what());
    throw;
  }
}

void check_same(dist::Communicator& ranks, const RunIdentity& run, const nn::Arena& arena) {
  if (ranks.alone()) return;
  const nlohmann::json mine{{"version", LOWLAND_VERSION},
                            {"program", content_hash("/proc/self/exe")},
                            {"settings", run.settings},
                            {"inputs", run.inputs},
                            {"numbers", hash_of(arena)}};
  const auto first = nlohmann::json::parse(ranks.broadcast(mine.dump(), "what the run is"));
  std::string different;
  if (first.at("version") != mine.at("version") || first.at("program") != mine.at("program"))
    different = fmt::format("it runs another build of the program (version {}, and {})", LOWLAND_VERSION,
                            first.at("version").get<std::string>());
  if (different.empty()) different = setting_difference(first.at("settings"), run.settings, "{} is {} and there {}");
  if (different.empty()) different = input_difference(first.at("inputs"), run.inputs);
  if (different.empty() && first.at("numbers") != mine.at("numbers"))
    different = "what it trains begins with other numbers (is the processor of another kind?)";
  agree(ranks, different, "what the run is");
}

void check_same_numbers(dist::Communicator& ranks, const nn::Arena& arena, int64_t step) {
  if (ranks.alone()) return;
  const std::string mine = hash_of(arena), first = ranks.broadcast(mine, "the trained numbers");
  agree(ranks, mine == first ? "" : fmt::format("after step {} it has trained other numbers", step),
        "the trained numbers");
}

std::string ranks_text(const dist::Communicator& ranks, double seconds) {
  if (ranks.alone()) return "";
  return fmt::format("{} processes over {}, which waited for each other {:.1f}% of the time", ranks.world(),
                     ranks.engine(), 100 * ranks.seconds() / std::max(seconds, 1e-9));
}

void check_interconnect(const std::string& name) { check_word("interconnect", name, {"nvlink", "pcie", "100g"}); }

std::string cost_text(int64_t world, const std::string& interconnect, size_t gradient_bytes) {
  check_interconnect(interconnect);
  const double rate = interconnect == "nvlink" ? 350e9 : interconnect == "pcie" ? 25e9 : 12.5e9;
  const auto n = static_cast<double>(world);
  const double bytes = 2 * (n - 1) / n * static_cast<double>(gradient_bytes);
  return fmt::format("{} processes over {}: {} of gradients are summed once a pass, which takes {:.2f} ms at the least",
                     world, interconnect, bytes_text(gradient_bytes), 1e3 * bytes / rate);
}

}  // namespace lowland::apps
