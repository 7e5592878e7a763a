#include "apps/common/generate_text.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "apps/common/progress.h"
#include "apps/settings/settings.h"
#include "engine/error.h"
#include "models/tokenizers/printable.h"

namespace lowland::apps {

void SamplingSettings::add_flags(Flags& f) {
  f.group("Sampling");
  f.add("max-new-tokens", &max_new_tokens, "The most tokens to add");
  f.add("temperature", &temperature, "0: always the likeliest token; 1: by the model's probabilities");
  f.add("top-k", &top_k, "Choose among the K likeliest tokens (0: all)");
  f.add("top-p", &top_p, "Choose among the likeliest tokens that hold this share of the probability");
  f.add("min-p", &min_p, "Choose among the tokens that have this share of the likeliest one's probability");
  f.add("repetition-penalty", &repetition_penalty, "Above 1: tokens that were there before become less likely");
  f.add("no-repeat-ngram-size", &no_repeat_ngram, "Never N tokens that were there in this order (0: whatever comes)");
  f.add("stop", &stop_strings, "Texts before which the new text ends");
  f.add("ignore-eos", &ignore_eos, "Do not stop at the end-of-text tokens");
}

void SamplingSettings::add_beams(Flags& f) {
  f.add("num-beams", &beams.count, "Find the likeliest text by a search with this many beams (1: none)");
  f.add("length-penalty", &beams.length_penalty,
        "With --num-beams: a text's score is its log-probability over its length to this power");
  f.add("early-stopping", &early_stopping,
        "With --num-beams, when there are as many texts as beams: true ends, false ends when none under way looks "
        "better, never when none can be");
}

void SamplingSettings::take(const GenerationConfig& file, const Flags& flags) {
  stop = file.eos_token_ids;
  const auto set = [&](const char* flag, auto& to, const auto& from) {
    if (from && !flags.given(flag)) to = *from;
  };
  // Without do_sample transformers takes the likeliest token; with it, these are what a file leaves out.
  if (!flags.given("temperature")) temperature = file.do_sample ? file.temperature.value_or(1) : 0;
  if (file.do_sample && !flags.given("top-k")) top_k = file.top_k.value_or(50);
  set("top-k", top_k, file.top_k);
  set("top-p", top_p, file.top_p);
  set("min-p", min_p, file.min_p);
  set("repetition-penalty", repetition_penalty, file.repetition_penalty);
  set("no-repeat-ngram-size", no_repeat_ngram, file.no_repeat_ngram_size);
  say(file.notes);
  if (temperature > 0 && !flags.given("temperature"))
    say(fmt::format("generation_config.json: tokens are drawn with --temperature {:g} --top-k {} --top-p {:g}",
                    temperature, top_k, top_p));
}

TextOptions generate_options(const DecoderConfig& config, const Tokenizer& tokenizer, int64_t seed,
                             const SamplingSettings& f) {
  TextOptions o;
  o.max_new_tokens = f.max_new_tokens;
  o.sampling = {.temperature = f.temperature,
                .top_k = f.top_k,
                .top_p = f.top_p,
                .seed = static_cast<uint64_t>(seed),
                .min_p = f.min_p,
                .repetition_penalty = f.repetition_penalty,
                .no_repeat_ngram = f.no_repeat_ngram};
  check_word("early-stopping", f.early_stopping, {"false", "true", "never"});
  o.beams = f.beams;
  if (f.early_stopping != "false")
    o.beams.early = f.early_stopping == "true" ? EarlyStopping::first : EarlyStopping::never;
  o.stop_strings = f.stop_strings;
  for (const std::string& text : o.stop_strings) LL_CHECK(!text.empty(), "--stop: a text to stop at is empty");
  if (!f.ignore_eos) o.stop = f.stop.value_or(config.eos_token_ids);
  if (!f.ignore_eos) add_stop(o, tokenizer.special().eos);
  o.vocab_limit = std::min<int64_t>(tokenizer.vocab_size(), config.vocab_size);
  check_sampling(o.sampling);
  return o;
}

std::unique_ptr<DecodeStream> stream_after(const Tokenizer& tokenizer, const std::vector<int32_t>& prompt) {
  std::unique_ptr<DecodeStream> stream = tokenizer.decode_stream();
  std::string ignored;
  for (const int32_t id : prompt) stream->feed(id, ignored);
  return stream;
}

std::string StopText::feed(const std::string& text) {
  held_ += text;
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
  ended_ = first != std::string::npos;
  if (ended_) held_.resize(first);
  size_t keep = 0;  // bytes at the end with which a stop string may begin
  for (const std::string& stop : stops_)
    for (size_t n = std::min(stop.size() - 1, held_.size()); !ended_ && n > keep; --n)
      if (held_.ends_with(std::string_view(stop).substr(0, n))) keep = n;
  const std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, out.size());
  return out;
}

std::string StopText::finish() { return ended_ ? "" : std::move(held_); }

namespace {

// A sequence under way.
struct Writing {
  std::unique_ptr<DecodeStream> stream;
  StopText stop;
  Generated out;

  // Adds to out.text and returns what is new in it.
  std::string add(const std::string& text) {
    out.text += text;
    return text;
  }
  std::string feed(int32_t id) {
    std::string text;
    stream->feed(id, text);
    ++out.tokens;
    return add(stop.feed(text));
  }
  std::string finish() {
    std::string text;
    if (!stop.ended()) stream->finish(text);
    if (stop.ended()) return "";
    text = stop.feed(text);
    text += stop.finish();
    return add(text);
  }
};

}  // namespace

std::vector<Generated> generate_texts(const Decoder& model, const Tokenizer& tokenizer,
                                      const std::vector<std::vector<int32_t>>& prompts, const TextOptions& options,
                                      const EmbedPrompts& embed) {
  std::vector<Writing> all;
  for (const auto& prompt : prompts)
    all.push_back({stream_after(tokenizer, prompt), StopText(options.stop_strings), {}});
  GenerateOptions watched = options;
  watched.ends_after = [&](size_t i, int32_t id) {
    all[i].feed(id);
    return all[i].stop.ended();
  };
  if (options.top_scores > 0)
    watched.on_scores = [&](size_t i, const TokenScores& scores) { all[i].out.scores.push_back(scores); };
  generate(model, prompts, watched, {}, embed);
  std::vector<Generated> out;
  for (Writing& w : all) {
    w.finish();
    out.push_back(std::move(w.out));
  }
  return out;
}

void check_room(const Decoder& model, const std::vector<int32_t>& conversation) {
  LL_CHECK(static_cast<int64_t>(conversation.size()) < model.max_length(),
           "the conversation has {} tokens with this line, and the model takes {}: it ends here, begin a new one",
           conversation.size(), model.max_length());
}

Generated print_generated(const Decoder& model, const Tokenizer& tokenizer, const std::vector<int32_t>& prompt,
                          const TextOptions& options, const EmbedPrompts& embed, const std::function<bool()>& stop) {
  Writing writing{stream_after(tokenizer, prompt), StopText(options.stop_strings), {}};
  const bool terminal = isatty(STDOUT_FILENO) != 0;  // a file gets the bytes as they are
  const auto put = [&](const std::string& text) {
    const std::string shown = terminal ? printable_lines(text) : text;
    std::fwrite(shown.data(), 1, shown.size(), stdout);
    std::fflush(stdout);
  };
  GenerateOptions watched = options;
  watched.ends_after = [&](size_t, int32_t id) {
    put(writing.feed(id));
    return writing.stop.ended() || (stop && stop());
  };
  generate(model, {prompt}, watched, {}, embed);
  put(writing.finish());
  std::fputc('\n', stdout);
  std::fflush(stdout);
  return std::move(writing.out);
}

}  // namespace lowland::apps
