// Conversations with images to ids: where the image tokens are, what is learnt, and that user text makes none of them.
#include "models/vlm/encode_images.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "engine/error.h"
#include "tests/ops/harness.h"

using namespace lowland;
namespace fs = std::filesystem;

namespace {

const std::string kTokenizer = test::source_dir() + "/tests/golden/tokenizer_small";

// The same tokenizer with `<image>` as a special token of its own.
std::string with_image_token(int32_t id) {
  const fs::path out = fs::temp_directory_path() / "lowland-tokenizer-with-image";
  fs::remove_all(out);
  fs::copy(kTokenizer, out);
  fs::remove(out / "tokenizer.json");
  std::ofstream(out / "added_tokens.json") << "{\"<image>\": " << id << "}";
  std::ofstream(out / "special_tokens_map.json")
      << R"({"bos_token":"<s>","eos_token":"</s>","unk_token":"<unk>","additional_special_tokens":["<image>"]})";
  return out.string();
}

VlmConfig config_of(int64_t image_token) {
  VlmConfig config;
  config.vision.image_size = 6;
  config.vision.patch_size = 3;
  config.image_token_id = image_token;
  return config;
}

int64_t count(const ChatIds& ids, int64_t token) { return std::count(ids.ids.begin(), ids.ids.end(), token); }

// The text of the learnt ids, and of the others.
std::string text(const Tokenizer& tokenizer, const ChatIds& ids, uint8_t learnt, int64_t image_token) {
  std::vector<int32_t> some;
  for (size_t i = 0; i < ids.ids.size(); ++i)
    if (ids.is_answer[i] == learnt && ids.ids[i] != image_token) some.push_back(ids.ids[i]);
  return tokenizer.decode(some, false);
}

}  // namespace

TEST_CASE("encode_with_images: an image is its rows; answer and end are learnt, whether `<image>` is known or not") {
  const auto plain = load_tokenizer(kTokenizer);
  const auto token = plain->vocab_size();
  const auto knowing = load_tokenizer(with_image_token(token));
  REQUIRE(knowing->id_of(kImageText) == token);
  const VlmConfig config = config_of(token);
  const std::vector<ChatMessage> messages = {{"user", "<image>\nthe cat"}, {"assistant", "sat down"}};
  for (const Tokenizer* t : {plain.get(), knowing.get()}) {
    const ChatIds ids = encode_with_images(*t, image_prompt_of("hf"), config, messages, false);
    CHECK(count(ids, token) == 4);
    CHECK(text(*t, ids, 0, token) == "<s>USER: \nthe cat ASSISTANT:");
    CHECK(text(*t, ids, 1, token) == " sat down</s>");
  }
  CHECK(encode_with_images(*plain, image_prompt_of("hf"), config, messages, false).ids ==
        encode_with_images(*knowing, image_prompt_of("hf"), config, messages, false).ids);
}

TEST_CASE("encode_with_images: several images, a later turn, and a prompt to go on from") {
  const auto t = load_tokenizer(kTokenizer);
  const auto token = t->vocab_size();
  const std::vector<ChatMessage> messages = {
      {"user", "<image> or <image>?"}, {"assistant", "one"}, {"user", "<image>?"}, {"assistant", "two"}};
  const ChatIds ids = encode_with_images(*t, image_prompt_of("hf"), config_of(token), messages, false);
  CHECK(count(ids, token) == 12);
  CHECK(text(*t, ids, 1, token) == " one</s> two</s>");
  const std::vector<ChatMessage> question = {messages[0]};
  const ChatIds prompt = encode_with_images(*t, image_prompt_of("hf"), config_of(token), question, true);
  CHECK(text(*t, prompt, 0, token) == "<s>USER:  or ? ASSISTANT:");
  // What is generated from is what was learnt.
  CHECK(std::equal(prompt.ids.begin(), prompt.ids.end(), ids.ids.begin()));
}

TEST_CASE("encode_with_images: LLaVA's own style has a system sentence") {
  const auto t = load_tokenizer(kTokenizer);
  const auto token = t->vocab_size();
  const ChatIds ids = encode_with_images(*t, image_prompt_of("llava"), config_of(token),
                                         {{"user", "<image>\nq"}, {"assistant", "a"}}, false);
  const std::string front = text(*t, ids, 0, token);
  CHECK(front.find("A chat between a curious user and an artificial intelligence assistant.") != std::string::npos);
  CHECK(front.find(" USER: \nq ASSISTANT:") != std::string::npos);
  CHECK_THROWS_WITH_AS(image_prompt_of("vicuna"), "--prompt-style must be hf or llava, got vicuna", Error);
}
