// run.json and metrics.jsonl of a run's folder; a byte 0 stands between them.
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "apps/report/report.h"
#include "apps/train/run_folder.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

namespace {

struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "lowland-fuzz-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  void put(const char* name, std::string_view content) const {
    std::FILE* file = std::fopen((path / name).c_str(), "wb");
    if (file == nullptr) std::abort();
    std::fwrite(content.data(), 1, content.size(), file);
    std::fclose(file);
  }
};

}  // namespace

LL_FUZZ_TARGET(run_files) {
  static const Folder folder;
  const std::string_view text = as_text(data, size);
  const size_t end = std::min(text.find('\0'), size);
  folder.put("run.json", text.substr(0, end));
  folder.put("metrics.jsonl", text.substr(std::min(end + 1, size)));
  attempt([&] { apps::read_run(folder.path); });
  attempt([&] { apps::read_run_settings(folder.path); });
  return 0;
}
