// What a person sees of a run: on terminals of all widths, on none, and of a run that is over.
#include "apps/common/progress.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "tests/apps/program.h"
#include "tests/apps/same_run.h"
#include "tests/apps/terminal.h"

using namespace lowland;
using namespace lowland::test;
using apps::bar_line;
using apps::BarState;

namespace {

size_t count_of(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

size_t columns_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// The flags of a short run which evaluates while its bar is there.
std::vector<std::string> short_run(const std::string& out) {
  std::vector<std::string> flags = finetune_flags("lora", out);
  return flags;
}

}  // namespace

TEST_CASE("bar: at most a line; count and time left first, then details, then the bar") {
  const BarState s{"step", 12, 345, "0:41 left", "loss 0.4123  8,311 tokens/s  18.5 MB"};
  CHECK(bar_line(s, 20, false) == "12/345  0:41 left");
  CHECK(bar_line(s, 24, false) == "step 12/345  0:41 left");
  CHECK(bar_line(s, 50, false) == "░░░░░░░░░░░░░ step 12/345  loss 0.4123  0:41 left");
  CHECK(bar_line(s, 80, false) == "█░░░░░░░░░░░░░░░░░ step 12/345  loss 0.4123  8,311 tokens/s  18.5 MB  0:41 left");
  CHECK(bar_line(s, 200, false) == "█░░░░░░░░░░░░░░░░░░░ step 12/345  loss 0.4123  8,311 tokens/s  18.5 MB  0:41 left");
  CHECK(bar_line(s, 200, true).starts_with("\033[32m█\033[0m░"));
  for (int columns = 1; columns <= 220; ++columns)
    CHECK(columns_of(bar_line(s, columns, false)) < std::max(2, columns));
  CHECK(bar_line({"question", 0, 0, "? left", ""}, 40, false) == "██████████████████ question 0/0  ? left");
}

TEST_CASE("progress: nothing is glued to the bar on terminals of 20 to 200 columns") {
  for (const int columns : {20, 24, 50, 80, 200}) {
    CAPTURE(columns);
    const TestFolder w;
    const Outcome o = run_on_terminal(LL_ROBERTA_PROGRAM, short_run(w / "run"), {columns});
    CAPTURE(o.out);
    REQUIRE(o.exit_code == 0);
    CHECK(count_of(o.out, "/24") > 5);
    const bool has_bar = o.out.find("█") != std::string::npos;
    CHECK(has_bar == (columns > 24));
    // Each time that the bar was drawn it fitted, and it left nothing behind.
    for (size_t at = o.out.find("\r"); at != std::string::npos; at = o.out.find("\r", at + 1)) {
      const std::string drawn = o.out.substr(at + 1, o.out.find_first_of("\r\n", at + 1) - at - 1);
      if (drawn.find("/24") == std::string::npos || drawn.find(" left") == std::string::npos) continue;
      CHECK(screen_lines(drawn, columns).front().size() > 0);
      CHECK(screen_lines(drawn, columns).front().find("too long") == std::string::npos);
    }
    size_t evaluations = 0;
    for (const std::string& line : screen_lines(o.out, 10000)) {
      CHECK(line.find("left") == std::string::npos);
      CHECK(line.find("█") == std::string::npos);
      if (line.starts_with("step ") && line.find("eval_accuracy") != std::string::npos) ++evaluations;
    }
    CHECK(evaluations == 5);
  }
}

TEST_CASE("progress: TERM=dumb and pipes get plain lines with both times, NO_COLOR no colours") {
  const TestFolder w;
  const Outcome dumb = run_on_terminal(LL_ROBERTA_PROGRAM, short_run(w / "dumb"), {80, {{"TERM", "dumb"}}});
  const Outcome piped = run_program(short_run(w / "piped"));
  for (const std::string& text : {dumb.out, piped.err}) {
    CAPTURE(text);
    CHECK(text.find('\033') == std::string::npos);
    CHECK(count_of(text, " elapsed, ") == 6);
    CHECK(count_of(text, "elapsed, 0:00 left") >= 1);
  }
  const Outcome plain = run_on_terminal(LL_ROBERTA_PROGRAM, short_run(w / "plain"), {80, {{"NO_COLOR", "1"}}});
  CHECK(plain.out.find("█") != std::string::npos);
  CHECK(plain.out.find("\033[3") == std::string::npos);
  const Outcome wrong = run_on_terminal(LL_ROBERTA_PROGRAM, {"finetune", "--rnak", "3"}, {80});
  CHECK(wrong.out.find("\033[31merror:\033[0m unknown flag --rnak; did you mean --rank?") != std::string::npos);
}

TEST_CASE("progress: a small run says its memory in a line, -v by part") {
  const TestFolder w;
  std::vector<std::string> flags = short_run(w / "run");
  const Outcome brief = run_program(flags);
  REQUIRE(brief.exit_code == 0);
  CHECK(count_of(brief.err, "memory at the peak of a step") == 1);
  CHECK(brief.err.find("gradients") == std::string::npos);
  CHECK(brief.err.find("hashed in") == std::string::npos);
  flags.insert(flags.end(), {"-v", "--overwrite"});
  const Outcome verbose = run_program(flags);
  REQUIRE(verbose.exit_code == 0);
  for (const char* part : {"  gradients", "  optimizer and perturbation", "  free", "hashed in"})
    CHECK(verbose.err.find(part) != std::string::npos);
  CHECK(read_text(w / "run/run.json").find("verbose") == std::string::npos);
}

TEST_CASE("resume: a finished run is told, and stays as it is to the byte") {
  const TestFolder w;
  REQUIRE(run_program(short_run(w / "run")).exit_code == 0);
  const std::string info = read_text(w / "run/run.json"), metrics = read_text(w / "run/metrics.jsonl");
  const auto written = std::filesystem::last_write_time(w / "run/adapter/adapter_model.safetensors");
  const Outcome o = run_program({"finetune", "--resume", "--out", w / "run"});
  CHECK(o.exit_code == 0);
  CHECK(o.err == (w / "run") +
                     " is finished after 24 steps, and stays as it is; to train its adapter further, give "
                     "--adapter " +
                     (w / "run/adapter") + " and another --out\n");
  CHECK(read_text(w / "run/run.json") == info);
  CHECK(read_text(w / "run/metrics.jsonl") == metrics);
  CHECK(std::filesystem::last_write_time(w / "run/adapter/adapter_model.safetensors") == written);
}

TEST_CASE("help: flags in groups, and none that the verb has no use for") {
  const std::string help = run_program({"finetune", "--help"}).out, scratch = run_program({"pretrain", "--help"}).out;
  size_t last = 0;
  for (const char* group : {"What to work on:", "Data:", "Adapter:", "Method:", "Training:", "Machine:", "Output:"}) {
    CHECK(count_of(help, group) == 1);
    CHECK(help.find(group) > last);
    last = help.find(group);
  }
  CHECK(help.find("--lora-plus-ratio") != std::string::npos);
  for (const char* flag : {"--lora-plus-ratio", "--label-smoothing", "--rank", "--method"})
    CHECK(scratch.find(flag) == std::string::npos);
}
