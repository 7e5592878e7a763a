// What comes out of the verbs for other programs: scores by class, tables, chat templates beside adapters, folders.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/apps/program.h"

using namespace lowland::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

// A tiny decoder with a tokenizer of its own at `model`.
const TestFolder& decoder() {
  static const TestFolder* const made = [] {
    static TestFolder w;
    w.write("text.txt", "one two three four five six\n\nthe cat sat on the mat\n\nred green blue\n");
    w.write("config.json",
            R"({"model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,)"
            R"("num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 96, "vocab_size": 280,)"
            R"("tie_word_embeddings": true, "initializer_range": 0.3})");
    must(run_llama({"pretrain", "--text", w / "text.txt", "--model-config", w / "config.json", "--vocab-size", "280",
                    "--epochs", "20", "--lr", "5e-3", "--threads", "1", "--out", w / "run"}));
    return &w;
  }();
  return *made;
}

}  // namespace

TEST_CASE("evaluate tells each class, and predict keeps columns and writes tables") {
  const TestFolder w;
  const std::string run = w / "run";
  must(run_program(finetune_flags("lora", run)));
  const json scores = json::parse(must(run_program({"evaluate", "--run", run, "--html", w / "matrix.html"})).out);
  int64_t all = 0, right = 0, support = 0;
  for (size_t row = 0; row < 2; ++row)
    for (size_t column = 0; column < 2; ++column) {
      const int64_t n = scores.at("confusion_matrix")[row][column];
      all += n;
      right += row == column ? n : 0;
    }
  for (const auto& [name, c] : scores.at("classes").items()) support += c.at("support").get<int64_t>();
  CHECK(all == support);
  CHECK(std::abs(scores.at("eval_accuracy").get<double>() - static_cast<double>(right) / static_cast<double>(all)) <
        1e-12);
  CHECK(scores.at("eval_macro_f1").get<double>() <= 1);
  CHECK(read_text(w / "matrix.html").find("<svg") != std::string::npos);
  for (const json& line : read_metrics(run)) CHECK_FALSE(line.contains("confusion_matrix"));

  w.write("in.jsonl", json{{"id", 17}, {"sentence", "the soup, \"fine\""}, {"text", "x"}}.dump() + "\n" +
                          json{{"id", 18}, {"sentence", "awful\nbread"}, {"text", "y"}}.dump() + "\n");
  const std::string plain = must(run_program({"predict", w / "in.jsonl", "--run", run})).out;
  const std::string kept =
      must(run_program({"predict", w / "in.jsonl", "--run", run, "--keep-columns", "id,sentence"})).out;
  const json first = json::parse(lines_of(kept).at(0));
  CHECK(first.at("id") == "17");
  CHECK(first.at("sentence") == "the soup, \"fine\"");
  json without = first;
  without.erase("id");
  without.erase("sentence");
  CHECK(without == json::parse(lines_of(plain).at(0)));
  CHECK(must(run_program(
                 {"predict", w / "in.jsonl", "--run", run, "--keep-columns", "id,sentence", "--output", w / "out.csv"}))
            .out.empty());
  const std::string csv = read_text(w / "out.csv");
  CHECK(csv.starts_with("index,id,sentence,label,score,scores."));
  CHECK(csv.find("\n0,17,\"the soup, \"\"fine\"\"\",") != std::string::npos);
  CHECK(csv.find("\n1,18,\"awful\nbread\",") != std::string::npos);
  must(run_program({"predict", w / "in.jsonl", "--run", run, "--output", w / "out.jsonl"}));
  CHECK(read_text(w / "out.jsonl") == plain);

  w.write("lines.txt", "one\ttwo\nthree\n");
  CHECK(json::parse(
            lines_of(must(run_program({"predict", w / "lines.txt", "--run", run, "--keep-columns", "text"})).out).at(0))
            .at("text") == "one\ttwo");
  const auto refused = [&](const std::vector<std::string>& more, const std::string& why) {
    std::vector<std::string> args = {"predict", w / "in.jsonl", "--run", run};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome o = run_program(args);
    CHECK(o.exit_code == 1);
    CHECK(o.err.find(why) != std::string::npos);
  };
  refused({"--keep-columns", "nothing"}, "nothing");
  refused({"--keep-columns", "label"}, "--keep-columns label: the output has a `label` of its own");
  refused({"--keep-columns", "id", "--format", "glue"}, "has no other columns");
  refused({"--output", w / "out.xlsx"}, "must end in .jsonl, .csv or .tsv");
}

TEST_CASE("a decoder's tokenizer ends no text, and its adapter brings tokenizer and chat template along") {
  const TestFolder w;
  const std::string base = decoder() / "run/model";
  const json tokenizer = json::parse(read_text(base + "/tokenizer.json"));
  CHECK(tokenizer.at("post_processor").at("type") == "TemplateProcessing");
  CHECK(tokenizer.at("post_processor").at("single").size() == 2);
  CHECK(json::parse(read_text(base + "/tokenizer_config.json")).at("model_max_length") == 96);
  w.write("chat.jsonl", R"({"messages": [{"role": "user", "content": "the cat?"},)"
                        R"({"role": "assistant", "content": "sat on the mat"}]})"
                        "\n");
  must(run_llama({"finetune", "--model", base, "--train", w / "chat.jsonl", "--dev-fraction", "0", "--chat-template",
                  "plain", "--max-steps", "2", "--threads", "1", "--out", w / "run"}));
  const std::string adapter = w / "run/adapter";
  for (const char* file : {"tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"})
    CHECK(read_text(adapter + "/" + file) == read_text(base + "/" + file));
  CHECK(read_text(adapter + "/chat_template.jinja").starts_with("{{- bos_token -}}\n"));
  // The same answers, whether the flag says it or the folder.
  const std::vector<std::string> ask = {"evaluate", "--model",        base,         "--adapter",        adapter,
                                        "--dev",    w / "chat.jsonl", "--generate", "--max-new-tokens", "8"};
  std::vector<std::string> told = ask;
  told.insert(told.end(), {"--chat-template", "plain"});
  const json scores = json::parse(must(run_llama(ask)).out);
  CHECK(scores == json::parse(must(run_llama(told)).out));
  CHECK(scores.at("eval_examples") == 1);
  for (const char* name : {"eval_exact_match", "eval_rouge_l", "eval_bleu"}) CHECK(scores.at(name).is_number());
  must(run_llama({"merge", "--model", base, "--adapter", adapter, "--out", w / "merged"}));
  CHECK(read_text(w / "merged/chat_template.jinja") == read_text(adapter + "/chat_template.jinja"));
}

TEST_CASE("generate: log-probabilities, stop strings and n-grams that do not repeat") {
  const std::string base = decoder() / "run/model";
  const auto lines = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"generate", "--model", base, "--prompt", "the cat", "--max-new-tokens", "24",
                               "--ignore-eos", "--logprobs", "2"});
    return json::parse(must(run_llama(more)).out);
  };
  const json greedy = lines({});
  REQUIRE(greedy.at("logprobs").size() == 24);
  for (const json& token : greedy.at("logprobs")) {
    REQUIRE(token.at("top").size() == 2);
    CHECK(token.at("id") == token.at("top")[0].at("id"));
    CHECK(token.at("logprob") == token.at("top")[0].at("logprob"));
    CHECK(token.at("logprob").get<double>() <= 0);
    CHECK(token.at("top")[1].at("logprob").get<double>() <= token.at("logprob").get<double>());
  }
  std::set<int64_t> ids;
  const json once = lines({"--no-repeat-ngram-size", "1"});
  for (const json& token : once.at("logprobs")) ids.insert(token.at("id").get<int64_t>());
  CHECK(ids.size() == 24);
  const std::string text = once.at("text");
  // Three characters of ASCII in a row, for a token may be any byte.
  const auto ascii = [](char c) { return c > 0; };
  size_t at = 1;
  while (at + 3 < text.size() && !std::all_of(text.begin() + at, text.begin() + at + 3, ascii)) ++at;
  const std::string stop = text.substr(at, 3);
  REQUIRE(std::all_of(stop.begin(), stop.end(), ascii));
  const json stopped = lines({"--no-repeat-ngram-size", "1", "--stop", "never there", stop});
  CHECK(stopped.at("text") == text.substr(0, text.find(stop)));
  CHECK(stopped.at("tokens").get<int>() < 24);
  const std::string printed = must(run_llama({"generate", "--model", base, "--prompt", "the cat", "--max-new-tokens",
                                              "24", "--ignore-eos", "--no-repeat-ngram-size", "1", "--stop", stop}))
                                  .out;
  CHECK(printed.ends_with("\n"));
  CHECK(printed.find(stop) == std::string::npos);
}

TEST_CASE("convert: a folder says what the llama2.c file said, and an adapter of the file tells how to make it") {
  const TestFolder w;
  std::string bin, table(4, '\0');
  const auto put = [](std::string& to, const auto& value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  constexpr int32_t C = 8, F = 12, L = 2, NH = 2, NKV = 1, V = 280, T = 32;
  for (const int32_t n : {C, F, L, NH, NKV, V, T}) put(bin, n);
  uint32_t state = 1;
  const int64_t numbers = V * C + L * (2 * C + 2 * C * C + 2 * C * (C / NH) * NKV + 3 * C * F) + C + T * (C / NH);
  for (int64_t i = 0; i < numbers; ++i) {
    state = state * 1664525U + 1013904223U;
    put(bin, static_cast<float>(state >> 8) / static_cast<float>(1 << 23) - 1.0f);
  }
  const int32_t longest = 8;
  std::memcpy(table.data(), &longest, 4);
  for (int32_t id = 0; id < V; ++id) {
    char piece[8];
    std::snprintf(piece, sizeof piece,
                  id < 3     ? "<%d>"
                  : id < 259 ? "<0x%02X>"
                             : "%c",
                  id < 3      ? id
                  : id < 259  ? id - 3
                  : id == 259 ? ' '
                              : 'a' + id - 260);
    put(table, id < 259 ? 0.0f : -static_cast<float>(id));
    put(table, static_cast<int32_t>(std::strlen(piece)));
    table += piece;
  }
  w.write("tiny.bin", bin);
  w.write("tokenizer.bin", table);
  must(run_llama({"convert", "--model", w / "tiny.bin", "--out", w / "tiny"}));
  // Ids, for bytes that are no UTF-8 are shown by each kind of tokenizer in its own way.
  const auto tokens = [&](const std::string& model) {
    const Outcome o = must(run_llama({"generate", "--model", model, "--prompt", "abc", "--max-new-tokens", "20",
                                      "--ignore-eos", "--logprobs", "1"}));
    return json::parse(o.out).at("logprobs");
  };
  CHECK(tokens(w / "tiny.bin").size() == 20);
  CHECK(tokens(w / "tiny.bin") == tokens(w / "tiny"));
  w.write("train.jsonl", R"({"prompt": "a", "completion": "b"})"
                         "\n");
  must(run_llama({"finetune", "--model", w / "tiny.bin", "--train", w / "train.jsonl", "--dev-fraction", "0",
                  "--max-steps", "1", "--threads", "1", "--out", w / "run"}));
  const std::string readme = read_text(w / "run/adapter/README.md");
  CHECK(readme.find("lowland-llama convert --model tiny.bin --out ") != std::string::npos);
  CHECK(readme.find(".bin\")") == std::string::npos);
  // What was trained on the file is an adapter of the folder, too, and the other way round.
  must(run_llama({"finetune", "--model", w / "tiny", "--train", w / "train.jsonl", "--dev-fraction", "0", "--max-steps",
                  "1", "--threads", "1", "--out", w / "other"}));
  for (const char* run : {"run", "other"})
    for (const char* model : {"tiny", "tiny.bin"})
      must(run_llama({"evaluate", "--model", w / model, "--adapter", w / run + "/adapter", "--dev", w / "train.jsonl",
                      "--threads", "1"}));
}
