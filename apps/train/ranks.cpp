#include "apps/train/ranks.h"

#include <algorithm>
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

void deal(dist::Communicator* ranks, int64_t pieces, const std::function<std::string(int64_t)>& make,
          const std::function<void(int64_t, const std::string&)>& take) {
  const int64_t world = ranks == nullptr ? 1 : ranks->world(), mine = ranks == nullptr ? 0 : ranks->rank().index;
  for (int64_t first = 0; first < pieces; first += world) {
    const std::string made = first + mine < pieces ? make(first + mine) : "";
    if (world == 1) {
      take(first, made);
      continue;
    }
    const std::vector<std::string> all = ranks->all_gather(made, "what was made");
    for (int64_t i = first; i < std::min(first + world, pieces); ++i) take(i, all[i - first]);
  }
}

void deal_texts(dist::Communicator* ranks, int64_t count, int64_t each,
                const std::function<std::vector<std::string>(int64_t, int64_t)>& make,
                const std::function<void(int64_t, const std::string&)>& take) {
  const auto made = [&](int64_t piece) {  // "LENGTH TEXT" for each
    std::string all;
    for (const std::string& text : make(piece * each, std::min((piece + 1) * each, count)))
      all += fmt::format("{} {}", text.size(), text);
    return all;
  };
  deal(ranks, (count + each - 1) / each, made, [&](int64_t piece, const std::string& all) {
    int64_t i = piece * each;
    for (size_t at = 0; at < all.size(); ++i) {
      const size_t begin = all.find(' ', at) + 1, size = std::stoull(all.substr(at, begin - at));
      take(i, all.substr(begin, size));
      at = begin + size;
    }
  });
}

}  // namespace lowland::apps
