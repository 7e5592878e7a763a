#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/common/flags.h"
#include "apps/common/generate_text.h"
#include "apps/common/progress.h"
#include "apps/data/text_file.h"
#include "apps/llama/session.h"
#include "apps/llama/verbs.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

struct GenerateFlags : SamplingFlags {
  std::string prompt, prompts;
  int64_t batch = 16;
};

// Lines of text, or of a .jsonl file the field `prompt` of each object.
std::vector<std::string> read_prompts(const std::string& file) {
  std::vector<std::string> out;
  LineReader lines(file);
  const bool json = file.size() > 6 && file.compare(file.size() - 6, 6, ".jsonl") == 0;
  for (std::string line; lines.next(line);) {
    if (line.empty()) continue;
    if (!json) {
      out.push_back(line);
      continue;
    }
    const nlohmann::json object = nlohmann::json::parse(line, nullptr, false);
    LL_CHECK(object.is_object() && object.contains("prompt") && object["prompt"].is_string(),
             "{}: not a JSON object with a text `prompt`", lines.where());
    out.push_back(object["prompt"].get<std::string>());
  }
  LL_CHECK(!out.empty(), "{} holds no prompt", file);
  return out;
}

// One JSON object per prompt, in their order, a batch at a time. Returns the number of new tokens.
size_t generate_many(const Session& session, const std::vector<std::string>& texts,
                     const std::vector<std::vector<int32_t>>& prompts, const GenerateOptions& options, size_t batch) {
  size_t tokens = 0;
  for (size_t begin = 0; begin < prompts.size(); begin += batch) {
    const size_t end = std::min(begin + batch, prompts.size());
    const std::vector<std::vector<int32_t>> some(prompts.begin() + static_cast<std::ptrdiff_t>(begin),
                                                 prompts.begin() + static_cast<std::ptrdiff_t>(end));
    const auto out = generate(*session.model, some, options);
    for (size_t i = 0; i < out.size(); ++i) {
      const auto stream = stream_after(*session.tokenizer, some[i]);
      nlohmann::ordered_json o;
      std::string text;
      for (const int32_t id : out[i]) stream->feed(id, text);
      stream->finish(text);
      o["index"] = begin + i;
      o["prompt"] = texts[begin + i];
      o["text"] = text;
      o["tokens"] = out[i].size();
      tokens += out[i].size();
      std::printf("%s\n", o.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    }
    std::fflush(stdout);
  }
  return tokens;
}

void generate_text(Settings settings, const GenerateFlags& flags, bool prompt_given) {
  LL_CHECK(prompt_given != !flags.prompts.empty(), "give --prompt TEXT or --prompts FILE");
  LL_CHECK(flags.batch >= 1, "--batch-size must be at least 1, got {}", flags.batch);
  Session session(std::move(settings));
  const GenerateOptions options = generate_options(session.config, *session.tokenizer, session.settings.seed, flags);
  const std::vector<std::string> texts =
      prompt_given ? std::vector<std::string>{flags.prompt} : read_prompts(flags.prompts);
  std::vector<std::vector<int32_t>> prompts;
  for (const std::string& text : texts) {
    prompts.push_back(encode_prompt(*session.tokenizer, text, true));
    const auto n = static_cast<int64_t>(prompts.back().size());
    LL_CHECK(n > 0, "prompt {} is empty, and the tokenizer puts no token in front of a text", prompts.size() - 1);
    LL_CHECK(n <= session.config.max_tokens(), "prompt {} has {} tokens, the model takes {}", prompts.size() - 1, n,
             session.config.max_tokens());
  }
  session.build_model(false);
  const auto start = std::chrono::steady_clock::now();
  const size_t tokens = prompt_given
                            ? print_generated(*session.model, *session.tokenizer, prompts[0], options).tokens
                            : generate_many(session, texts, prompts, options, static_cast<size_t>(flags.batch));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  say(fmt::format("{} tokens, {} tokens/s", thousands(static_cast<int64_t>(tokens)),
                  thousands(std::llround(static_cast<double>(tokens) / std::max(seconds, 1e-9)))));
}

}  // namespace

void add_generate(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  auto flags = std::make_shared<GenerateFlags>();
  CLI::App* verb = app.add_subcommand("generate", "Text after a prompt, on stdout as it comes; of many, JSON lines");
  const OptionBinder bind{*verb};
  visit_input(*settings, bind);
  bind("tokenizer", settings->tokenizer, "Tokenizer, where it is not in the model's folder");
  bind("prompt", flags->prompt, "The text to go on from");
  bind("prompts", flags->prompts, "File of prompts instead: a line each, or .jsonl with a field prompt");
  bind_sampling(bind, *flags);
  bind("batch-size,batch", flags->batch, "Prompts at a time");
  bind("weights-dtype", settings->weights_dtype, "Weights in f32 or bf16; auto: as --dtype");
  visit_system(*settings, bind);
  verb->callback([settings, flags, verb] { generate_text(*settings, *flags, given(*verb, "prompt")); });
}

}  // namespace lowland::apps
