// The verb chat as a person has it at a terminal.
#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/apps/program.h"
#include "tests/apps/terminal.h"

using namespace lowland::test;
using nlohmann::json;

namespace {

// A Llama that has learnt nothing much, of 64 positions.
const TestFolder& tiny_chat() {
  static const TestFolder* const made = [] {
    static TestFolder w;
    std::string text;
    for (int i = 0; i < 40; ++i) text += "tea is hot and rice is white and soup number " + std::to_string(i) + "\n\n";
    w.write("text.txt", text);
    w.write("config.json",
            R"({"model_type":"llama","hidden_size":32,"num_hidden_layers":2,"num_attention_heads":4,)"
            R"("num_key_value_heads":2,"intermediate_size":64,"max_position_embeddings":64,"vocab_size":320,)"
            R"("rms_norm_eps":1e-5,"tie_word_embeddings":false})");
    const Outcome o =
        run_llama({"pretrain", "--text", w / "text.txt", "--model-config", w / "config.json", "--vocab-size", "320",
                   "--epochs", "1", "--batch-size", "8", "--max-length", "32", "--threads", "1", "--out", w / "run"});
    INFO(o.err);
    REQUIRE(o.exit_code == 0);
    return &w;
  }();
  return *made;
}

std::vector<std::string> chat_flags(const std::string& tokens = "4") {
  return {"chat",
          "--model",
          tiny_chat() / "run/model",
          "--chat-template",
          "zephyr",
          "--max-new-tokens",
          tokens,
          "--ignore-eos",
          "--threads",
          "1"};
}

Outcome chat(const std::vector<Typed>& typed, const std::string& tokens = "4") {
  return run_on_terminal(LL_LLAMA_PROGRAM, chat_flags(tokens), {80}, typed);
}

bool has(const Outcome& o, const std::string& text) { return o.out.find(text) != std::string::npos; }

}  // namespace

TEST_CASE("chat on a terminal: its name, commands, a saved conversation, and how it ends") {
  const TestFolder w;
  const std::string file = w / "talk.jsonl";
  const Outcome o = chat({{"> ", "/help\n"},
                          {"> ", "/system be brief\n"},
                          {"> ", "tea is\n"},
                          {"> ", "/image cat.png\n"},
                          {"> ", "/save " + file + "\n"},
                          {"> ", "/clear\n"},
                          {"> ", "rice is\n"},
                          {"> ", "/save " + file + "\n"},
                          {"> ", "/exit\n"}});
  CAPTURE(o.out);
  CHECK(o.exit_code == 0);
  CHECK(has(o, "Ctrl-C stops an answer, Ctrl-D or /exit ends, /help tells the commands"));
  CHECK(has(o, "model\r\n"));  // the folder's name
  CHECK(has(o, "/system TEXT   the system message from here on"));
  CHECK(!has(o, "/image FILE"));
  CHECK(has(o, "there is no command /image"));
  CHECK(has(o, "forgotten"));
  std::istringstream lines(read_text(file));
  std::string first, second;
  std::getline(lines, first);
  std::getline(lines, second);
  const json a = json::parse(first).at("messages"), b = json::parse(second).at("messages");
  REQUIRE(a.size() == 3);
  CHECK(a[0] == json{{"role", "system"}, {"content", "be brief"}});
  CHECK(a[1] == json{{"role", "user"}, {"content", "tea is"}});
  CHECK(a[2].at("role") == "assistant");
  REQUIRE(b.size() == 3);  // the system message stays
  CHECK(b[1].at("content") == "rice is");
}

TEST_CASE("chat on a terminal: Ctrl-D ends, Ctrl-C at the prompt asks, and twice ends") {
  CHECK(chat({{"> ", "\x04"}}).exit_code == 0);
  const Outcome twice = chat({{"> ", "half a li\x03"}, {"> ", "\x03"}});
  CAPTURE(twice.out);
  CHECK(has(twice, "Ctrl-C once more ends the conversation"));
  CHECK(twice.exit_code == 130);
  const Outcome once = chat({{"> ", "\x03"}, {"> ", "tea\n"}, {"> ", "\x03"}, {"> ", "/exit\n"}});
  CHECK(once.exit_code == 0);
}

TEST_CASE("chat on a terminal: Ctrl-C stops an answer, and the conversation goes on") {
  const TestFolder w;
  std::filesystem::copy(tiny_chat() / "run/model", w / "long", std::filesystem::copy_options::recursive);
  json config = json::parse(read_text(w / "long/config.json"));
  config["max_position_embeddings"] = 16384;
  w.write("long/config.json", config.dump());
  std::vector<std::string> flags = chat_flags("16000");
  flags[2] = w / "long";
  const Outcome o =
      run_on_terminal(LL_LLAMA_PROGRAM, flags, {80}, {{"> ", "tea\n"}, {"tea\r\n", "\x03", true}, {"> ", "/exit\n"}});
  CAPTURE(o.out);
  CHECK(o.exit_code == 0);
  CHECK(has(o, "stopped\r\n"));
}

TEST_CASE("chat on a terminal: a full conversation drops its oldest turns and goes on") {
  std::vector<Typed> typed;
  for (int i = 0; i < 6; ++i) typed.push_back({"> ", "tea is hot\n"});
  typed.push_back({"> ", "/exit\n"});
  const Outcome o = chat(typed);
  CAPTURE(o.out);
  CHECK(o.exit_code == 0);
  CHECK(has(o, "the conversation is full (64 tokens): its oldest turn"));
  std::string piped;  // as it was: an error
  const Outcome one = run_command(
      "/bin/bash",
      {"-c", "for i in 1 2 3 4 5 6; do echo tea is hot; done | " + std::string(LL_LLAMA_PROGRAM) + " chat --model " +
                 (tiny_chat() / "run/model") + " --chat-template zephyr --max-new-tokens 4 --ignore-eos"});
  CHECK(one.exit_code == 1);
  CHECK(one.err.find("it ends here, begin a new one") != std::string::npos);
  CHECK(one.out.find("> ") == std::string::npos);
}
