// Runs the programs in build/bin as a user does, in a folder of its own that is removed at the end.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace lowland::test {

struct Outcome {
  int exit_code = 0;  // 128 + signal where it was killed
  std::string out, err;
};

// When a program gets SIGKILL, if ever: after so many milliseconds, or as soon as there is such a file or folder.
struct Kill {
  int after_ms = -1;
  std::string when;
};
constexpr int kKilled = 128 + 9;

Outcome run_program(const std::vector<std::string>& args, const Kill& kill = {});  // lowland-roberta
Outcome run_llama(const std::vector<std::string>& args, const Kill& kill = {});
Outcome run_vlm(const std::vector<std::string>& args, const Kill& kill = {});
// A run that is killed when RUN/checkpoint-N is there, and before it is over: tried again where it was faster.
void run_until(const std::string& checkpoint, const std::vector<std::string>& args,
               Outcome (*program)(const std::vector<std::string>&, const Kill&));
// Any program by its path. signals: sent one after the other, so many milliseconds after the start or the one before.
Outcome run_command(const std::string& program, const std::vector<std::string>& args,
                    const std::vector<std::pair<int, int>>& signals = {});

Outcome must(const Outcome& outcome);  // fails the test, with what was said, where the exit code is not 0

// A folder of a test's own, gone with it.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  void write(const std::string& name, const std::string& text) const;

 private:
  std::filesystem::path path_;
};

// A folder with a tiny pretrained model at `model`, and train.tsv, dev.tsv of an easy two-class task.
const TestFolder& tiny_task();
// The flags of a short fine-tuning on it.
std::vector<std::string> finetune_flags(const std::string& method, const std::string& out);

std::string read_text(const std::string& path);                    // which must be there
std::vector<nlohmann::json> read_metrics(const std::string& run);  // without the fields that tell time

}  // namespace lowland::test
