#include "apps/common/generate_text.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "apps/common/progress.h"
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
  f.add("ignore-eos", &ignore_eos, "Do not stop at the end-of-text tokens");
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
  say(file.notes);
  if (temperature > 0 && !flags.given("temperature"))
    say(fmt::format("generation_config.json: tokens are drawn with --temperature {:g} --top-k {} --top-p {:g}",
                    temperature, top_k, top_p));
}

GenerateOptions generate_options(const LlamaConfig& config, const Tokenizer& tokenizer, int64_t seed,
                                 const SamplingSettings& f) {
  GenerateOptions o;
  o.max_new_tokens = f.max_new_tokens;
  o.sampling = {.temperature = f.temperature,
                .top_k = f.top_k,
                .top_p = f.top_p,
                .seed = static_cast<uint64_t>(seed),
                .min_p = f.min_p,
                .repetition_penalty = f.repetition_penalty};
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

std::string text_after(const Tokenizer& tokenizer, const std::vector<int32_t>& prompt,
                       const std::vector<int32_t>& ids) {
  const auto stream = stream_after(tokenizer, prompt);
  std::string text;
  for (const int32_t id : ids) stream->feed(id, text);
  stream->finish(text);
  return text;
}

void check_room(const Llama& model, const std::vector<int32_t>& conversation) {
  LL_CHECK(static_cast<int64_t>(conversation.size()) < model.max_length(),
           "the conversation has {} tokens with this line, and the model takes {}: it ends here, begin a new one",
           conversation.size(), model.max_length());
}

Generated print_generated(const Llama& model, const Tokenizer& tokenizer, const std::vector<int32_t>& prompt,
                          const GenerateOptions& options, const EmbedPrompts& embed,
                          const std::function<bool()>& stop) {
  struct Stopped {};
  const auto stream = stream_after(tokenizer, prompt);
  const bool terminal = isatty(STDOUT_FILENO) != 0;  // a file gets the bytes as they are
  Generated out;
  std::string text;
  const auto put = [&] {
    const std::string shown = terminal ? printable_lines(text) : text;
    std::fwrite(shown.data(), 1, shown.size(), stdout);
    std::fflush(stdout);
    out.text += text;
    text.clear();
  };
  const auto on_token = [&](size_t, int32_t id) {
    stream->feed(id, text);
    ++out.tokens;
    put();
    if (stop && stop()) throw Stopped();
  };
  try {
    generate(model, {prompt}, options, on_token, embed);
  } catch (const Stopped&) {}
  stream->finish(text);
  put();
  std::fputc('\n', stdout);
  std::fflush(stdout);
  return out;
}

}  // namespace lowland::apps
