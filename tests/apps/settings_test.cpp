// Flags at the door: files of flags come back equal, whole numbers are held against their limits.
#include <doctest/doctest.h>

#include <CLI/CLI.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/settings/flags.h"
#include "apps/settings/limits.h"
#include "apps/settings/toml_file.h"
#include "engine/error.h"
#include "kernels/common/philox.h"
#include "models/tokenizers/printable.h"
#include "models/tokenizers/utf8.h"
#include "tests/apps/program.h"

using namespace lowland;
using namespace lowland::apps;
using namespace lowland::test;

namespace {

std::string error_of(const std::function<void()>& what) {
  try {
    what();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

// Texts of characters that mean something to TOML, CLI11 or a terminal, among others.
std::string odd_text(uint64_t i) {
  static const std::u32string some = U"#\"'\\[]{}=,\n\t\r\b\f\x1b\x7f\x85 \u2028a\u00e9\u4e2d\U0001F600-%\u0001";
  std::string text;
  for (uint64_t k = 0; k < mix64(i) % 12; ++k) utf8_append(text, some[mix64(100 * i + k) % some.size()]);
  return text;
}

}  // namespace

TEST_CASE("toml: any text, number and list is read back equal") {
  const TestFolder w;
  for (uint64_t i = 0; i < 300; ++i) {
    const std::string text = odd_text(i);
    const std::vector<std::string> list{odd_text(3 * i), odd_text(5 * i)};
    const auto whole = static_cast<int64_t>(mix64(i));
    const double real = static_cast<double>(whole) * 1e-30;
    w.write("f.toml", toml_line("text", text) + toml_line("list", list) + toml_line("whole", whole) +
                          toml_line("real", real) + toml_line("on", true) + toml_line("none", nlohmann::json::array()));
    std::map<std::string, std::vector<std::string>> read;
    for (const GivenFlag& flag : read_toml_flags(w / "f.toml")) read[flag.name] = flag.values;
    CAPTURE(printable(text));
    CHECK(read["text"] == std::vector<std::string>{text});
    CHECK(read["list"] == list);
    CHECK(read["whole"] == std::vector<std::string>{std::to_string(whole)});
    CHECK(std::stod(read["real"].at(0)) == real);
    CHECK(read["on"] == std::vector<std::string>{"true"});
    CHECK(read["none"].empty());
  }
}

TEST_CASE("toml: tables, dates and all ways to write a text; what is no TOML is told by line") {
  const TestFolder w;
  w.write("f.toml",
          "a = 'it\\d' # not this\n\"b c\" = \"\"\"x\ny\"\"\"\n[table]\ndate = 2024-07-26\nhex = 0xff\nf = 1_0.5\n"
          "inner.deep = [1, 2.5, 'z']\n");
  std::map<std::string, std::vector<std::string>> read;
  for (const GivenFlag& flag : read_toml_flags(w / "f.toml")) read[flag.name] = flag.values;
  const std::map<std::string, std::vector<std::string>> expected = {
      {"a", {"it\\d"}}, {"b c", {"x\ny"}}, {"date", {"2024-07-26"}},
      {"hex", {"255"}}, {"f", {"10.5"}},   {"deep", {"1", "2.5", "z"}}};
  CHECK(read == expected);
  w.write("bad.toml", "a = 1\nb = \n");
  CHECK(error_of([&] { read_toml_flags(w / "bad.toml"); }).find((w / "bad.toml") + ":2: not valid TOML") == 0);
  w.write("nested.toml", "a = [[1]]\n");
  CHECK(error_of([&] { read_toml_flags(w / "nested.toml"); }).find("nested.toml:1: a holds a list") !=
        std::string::npos);
}

TEST_CASE("limits: whole numbers are decimal and within the flag's bounds") {
  CHECK(parse_count("rank", "8") == 8);
  CHECK(parse_count("rank", "+8") == 8);
  CHECK(parse_count("rank", "010") == 10);
  CHECK(parse_count("seed", "-9223372036854775808") == std::numeric_limits<int64_t>::min());
  CHECK(error_of([] { parse_count("rank", "0"); }) == "--rank must be at least 1, got 0");
  CHECK(error_of([] { parse_count("epochs", "18446744073709551616"); }) ==
        "--epochs must be at most 1000000000, got 18446744073709551616");
  for (const char* wrong : {"", "+", "-", "+-1", "0x10", "1e3", "8 ", "eight"})
    CHECK(error_of([&] { parse_count("rank", wrong); }) == std::string("--rank takes a number, not `") + wrong + "`");
}

TEST_CASE("flags: a file's value gives way to the command line's, lists too; settings of a file are held to limits") {
  CLI::App app;
  Flags flags(*app.add_subcommand("verb"));
  int64_t rank = 8;
  flags.add("rank,lora-r", &rank, "");
  CHECK(error_of([&] { flags.take_all({{"rank", 1e3}}, "run.json"); }).find("has the wrong type") != std::string::npos);
  CHECK(error_of([&] {
          flags.take_all({{"rank", 18446744073709551615ull}}, "run.json");
        }) == "run.json: --rank must be at most 65536, got 18446744073709551615");
  flags.take_all({{"rank", 4}}, "run.json");
  CHECK(rank == 4);
}

// Every whole number among the flags of every verb: refused in one sentence, or taken and nothing breaks.
TEST_CASE("limits: each flag of each program at the ends of what a number can be") {
  using Run = Outcome (*)(const std::vector<std::string>&, const Kill&);
  const std::pair<const char*, Run> programs[] = {{"roberta", run_program}, {"llama", run_llama}, {"vlm", run_vlm}};
  int tried = 0;
  for (const auto& program : programs) {
    const char* const name = program.first;
    const Run run = program.second;
    for (const char* verb : {"finetune", "pretrain", "evaluate", "predict", "generate", "chat", "probe", "inspect"}) {
      std::istringstream help(run({verb, "--help"}, {}).out);
      for (std::string line; std::getline(help, line);) {
        const size_t dashes = line.find("--"), type = line.find(" INT");
        if (dashes == std::string::npos || type == std::string::npos) continue;
        const std::string flag = line.substr(dashes, line.find_first_of(", ", dashes) - dashes);
        for (const char* value : {"-1", "2147483648", "4294967296", "4611686018427387904", "9223372036854775807",
                                  "18446744073709551616", "0"}) {
          CAPTURE(name);
          CAPTURE(verb);
          CAPTURE(flag);
          CAPTURE(value);
          const Outcome o = run({verb, flag, value}, {});  // without a model: refused by the number, or for that
          INFO(o.err);
          CHECK(o.exit_code == 1);
          CHECK(o.err.find("error: ") == 0);
          const bool huge = std::string(value).size() > 9 && flag != "--seed";
          if (huge) CHECK(o.err.find("error: " + flag + " must be at most ") == 0);
          ++tried;
        }
      }
    }
  }
  CHECK(tried > 400);
}

TEST_CASE("limits: a run at the least and the most that its counts may be") {
  const TestFolder w;
  for (const char* flag : {"--batch-size", "--grad-accum", "--logging-steps", "--eval-steps", "--save-steps",
                           "--sharpness-steps", "--max-length", "--max-train-samples", "--max-eval-samples"}) {
    const Limits limits = limits_of(std::string(flag).substr(2));
    // Two tokens are around every text of RoBERTa: a run of length 1 is refused when its data is read.
    const int64_t least = flag == std::string("--max-length") ? 2 : limits.least;
    for (const int64_t value : {least, limits.most}) {
      std::vector<std::string> flags = finetune_flags("lora", w / "run");
      flags.insert(flags.end(), {flag, std::to_string(value), "--max-steps", "2", "--overwrite"});
      const Outcome o = run_program(flags);
      INFO(o.err);
      CHECK(o.exit_code == 0);
    }
  }
}

TEST_CASE("printable: a terminal gets no control character, and all else as it is") {
  CHECK(printable("a\x1b[31m\tb\n") == "a\\x1b[31m\\tb\\n");
  CHECK(printable_lines("a\tb\n\x7f") == "a\tb\n\\x7f");
  CHECK(printable("\xc2\x9b"
                  "2J caf\xc3\xa9 \xe9 \xf0\x9f\x98\x80") == "\\x9b2J caf\xc3\xa9 \\xe9 \xf0\x9f\x98\x80");
}
