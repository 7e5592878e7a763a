#include "apps/common/generate_text.h"

#include <algorithm>
#include <cstdio>

#include "engine/error.h"

namespace lowland::apps {

void SamplingSettings::add_flags(Flags& f) {
  f.add("max-new-tokens", &max_new_tokens, "The most tokens to add");
  f.add("temperature", &temperature, "0: always the likeliest token; 1: by the model's probabilities");
  f.add("top-k", &top_k, "Choose among the K likeliest tokens (0: all)");
  f.add("top-p", &top_p, "Choose among the likeliest tokens that hold this share of the probability");
  f.add("ignore-eos", &ignore_eos, "Do not stop at the end-of-text tokens");
}

GenerateOptions generate_options(const LlamaConfig& config, const Tokenizer& tokenizer, int64_t seed,
                                 const SamplingSettings& f) {
  GenerateOptions o;
  o.max_new_tokens = f.max_new_tokens;
  o.sampling = {f.temperature, f.top_k, f.top_p, static_cast<uint64_t>(seed)};
  if (!f.ignore_eos) o.stop = config.eos_token_ids;
  const int32_t eos = tokenizer.special().eos;
  if (!f.ignore_eos && eos >= 0 && std::find(o.stop.begin(), o.stop.end(), eos) == o.stop.end()) o.stop.push_back(eos);
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
                          const GenerateOptions& options, const EmbedPrompts& embed) {
  const auto stream = stream_after(tokenizer, prompt);
  Generated out;
  std::string text;
  const auto put = [&] {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
    out.text += text;
    text.clear();
  };
  const auto on_token = [&](size_t, int32_t id) {
    stream->feed(id, text);
    ++out.tokens;
    put();
  };
  generate(model, {prompt}, options, on_token, embed);
  stream->finish(text);
  put();
  std::fputc('\n', stdout);
  std::fflush(stdout);
  return out;
}

}  // namespace lowland::apps
