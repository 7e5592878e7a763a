#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/common/generate_text.h"
#include "apps/common/progress.h"
#include "apps/data/records.h"
#include "apps/families/language_session.h"
#include "apps/objectives/language_maker.h"
#include "apps/train/ranks.h"
#include "apps/verbs/session_verb.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

struct GenerateVerb : SessionVerb {
  using SessionVerb::SessionVerb;
  SamplingSettings sampling;
  std::string prompt, prompts;
  int64_t logprobs = 0;
  RankSettings ranks;
};

using Ids = std::vector<std::vector<int32_t>>;

// Lines of text; of .jsonl, .json, .csv and .tsv files the field `prompt` of each record.
std::vector<std::string> read_prompts(const std::string& file) {
  std::vector<std::string> out;
  if (const auto format = find_table_format(file)) {
    RecordReader records(file, {.format = *format, .names = {"prompt"}, .required = 1});
    for (std::vector<Cell> cells; records.next(cells) != RecordReader::Status::end;) out.push_back(cells[0].text);
  } else {
    LineReader lines(file);
    for (std::string line; lines.next_filled(line);) out.push_back(line);
  }
  LL_CHECK(!out.empty(), "{} holds no prompt", file);
  return out;
}

Ids encode(const LanguageSession& session, const std::vector<std::string>& texts) {
  Ids prompts;
  const int64_t most = session.text_config().max_tokens();
  for (const std::string& text : texts) {
    prompts.push_back(encode_prompt(*session.tokenizer, text, true));
    const auto n = static_cast<int64_t>(prompts.back().size());
    LL_CHECK(n > 0, "prompt {} is empty, and the tokenizer puts no token in front of a text", prompts.size() - 1);
    LL_CHECK(n <= most, "prompt {} has {} tokens, the model takes {}", prompts.size() - 1, n, most);
  }
  return prompts;
}

nlohmann::ordered_json scores_json(const Tokenizer& tokenizer, const std::vector<TokenScores>& scores) {
  auto list = nlohmann::ordered_json::array();
  const auto one = [&](int32_t id, double logprob) {
    return nlohmann::ordered_json{{"token", tokenizer.piece(id)}, {"id", id}, {"logprob", logprob}};
  };
  for (const TokenScores& s : scores) {
    list.push_back(one(s.id, s.logprob));
    auto& top = list.back()["top"] = nlohmann::ordered_json::array();
    for (const auto& [id, logprob] : s.top) top.push_back(one(id, logprob));
  }
  return list;
}

// One JSON object per prompt, in their order, a batch at a time; the first process prints them. Returns the number of
// new tokens.
size_t generate_many(const LanguageSession& session, const Decoder& model, const std::vector<std::string>& texts,
                     const Ids& prompts, const TextOptions& options) {
  size_t tokens = 0;
  Progress bar("prompt", std::ssize(prompts));
  const auto lines = [&](int64_t begin, int64_t end) {
    const Ids some(prompts.begin() + begin, prompts.begin() + end);
    std::vector<std::string> made;
    for (const Generated& g : generate_texts(model, *session.tokenizer, some, options)) {
      const int64_t i = begin + std::ssize(made);
      nlohmann::ordered_json o;
      o["index"] = i;
      o["prompt"] = texts[i];
      o["text"] = g.text;
      o["tokens"] = g.tokens;
      if (options.top_scores > 0) o["logprobs"] = scores_json(*session.tokenizer, g.scores);
      made.push_back(o.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    }
    return made;
  };
  deal_texts(session.ranks, std::ssize(prompts), session.batch.batch_size, lines,
             [&](int64_t i, const std::string& line) {
               bar.hide();
               tokens += nlohmann::json::parse(line).at("tokens").get<size_t>();
               if (session.ranks == nullptr || session.ranks->leads()) std::printf("%s\n", line.c_str());
               std::fflush(stdout);
               bar.update(i + 1, "");
             });
  return tokens;
}

void run(GenerateVerb& verb, dist::Communicator& ranks) {
  const bool one = verb.flags.given("prompt");
  LL_CHECK(one != !verb.prompts.empty(), "give --prompt TEXT or --prompts FILE");
  auto& session = dynamic_cast<LanguageSession&>(verb.enter(true));
  session.ranks = &ranks;
  session.open(verb.flags);
  verb.sampling.take(GenerationConfig::from_folder(session.folder), verb.flags);
  TextOptions options = generate_options(session.text_config(), *session.tokenizer, session.system.seed, verb.sampling);
  options.top_scores = verb.logprobs;
  const std::vector<std::string> texts = one ? std::vector<std::string>{verb.prompt} : read_prompts(verb.prompts);
  const Ids prompts = encode(session, texts);
  const std::unique_ptr<nn::Model> model = filled_model(session, false);
  const Decoder& language = session.language(*model);
  const auto start = std::chrono::steady_clock::now();
  if (one && verb.logprobs == 0 && !ranks.leads()) return;  // there is no more than one to do
  const size_t tokens = one && verb.logprobs == 0
                            ? print_generated(language, *session.tokenizer, prompts[0], options).tokens
                            : generate_many(session, language, texts, prompts, options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  say(fmt::format("{} tokens, {} tokens/s", thousands(static_cast<int64_t>(tokens)),
                  thousands(std::llround(static_cast<double>(tokens) / std::max(seconds, 1e-9)))));
}

}  // namespace

void add_generate(CLI::App& app, const Family& family) {
  const auto verb = std::make_shared<GenerateVerb>(
      app, family, "generate", "Text after a prompt, on stdout as it comes; of many, JSON lines", family.session());
  Session& session = *verb->door;
  session.base.add_flags(verb->flags);
  session.base.add_tokenizer(verb->flags);
  verb->flags.add("prompt", &verb->prompt, "The text to go on from");
  verb->flags.add("prompts", &verb->prompts,
                  "File of prompts instead: a line each, or .jsonl, .json, .csv with a field prompt");
  verb->sampling.add_flags(verb->flags);
  verb->sampling.add_beams(verb->flags);
  verb->flags.add("logprobs", &verb->logprobs,
                  "As JSON lines with the log-probability of each new token and of the N likeliest in its place");
  session.batch.batch_size = 16;
  verb->flags.add("batch-size,batch", &session.batch.batch_size, "Prompts at a time");
  session.batch.add_weights_dtype(verb->flags, "Weights");
  session.system.add_flags(verb->flags);
  verb->ranks.add_flags(verb->flags);
  verb->flags.on_run([verb] {
    const auto ranks = join_ranks(verb->ranks, verb->door->system, verb->door->batch);
    run_together(*ranks, [&] { run(*verb, *ranks); });
  });
}

}  // namespace lowland::apps
