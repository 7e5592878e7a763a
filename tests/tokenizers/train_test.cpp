#include <doctest/doctest.h>

#include "engine/error.h"
#include "models/tokenizers/tokenizer.h"
#include "models/tokenizers/train_bpe.h"
#include "tests/tokenizers/support.h"

using namespace lowland;
using namespace lowland::test;
using nlohmann::json;

namespace {

std::string train_text() {
  return json::parse(read_file(golden_folder() / "tokenizer_golden.json")).at("train_text").get<std::string>();
}

}  // namespace

TEST_CASE("train_bpe: the same vocabulary and merges as the tokenizers package, from text and from files") {
  const std::string text = train_text();
  const TemporaryFolder folder;
  folder.write("a.txt", text.substr(0, text.find('\n') + 1));
  folder.write("b.txt", text.substr(text.find('\n') + 1));
  const TrainBpeOptions options{.vocab_size = 600};
  save_vocabulary(train_bpe_on_text({text}, options), folder.string() + "/from text");
  save_vocabulary(train_bpe({folder.string() + "/a.txt", folder.string() + "/b.txt"}, options),
                  folder.string() + "/from files");
  for (const char* name : {"from text", "from files"}) {
    CHECK(json::parse(read_file(folder.path() / name / "vocab.json")) ==
          json::parse(read_file(small_folder() / "vocab.json")));
    CHECK(read_file(folder.path() / name / "merges.txt") == read_file(small_folder() / "merges.txt"));
  }
  const auto golden = load_tokenizer(small_folder().string());
  for (const char* file : {"", "/tokenizer.json", "/vocab.json"}) {  // the whole in one file, and in parts
    CAPTURE(file);
    const auto ours = load_tokenizer(folder.string() + "/from text" + file);
    for (const char* line : {"It is a <mask> truth</s>", "  two  spaces, it's <unk> 12 \n", ""})
      CHECK(ours->encode(line) == golden->encode(line));
    CHECK(ours->special().mask == 4);
  }
}

TEST_CASE(
    "train_bpe: a size that cuts merges off keeps the first ones; overlapping pairs are counted as they "
    "merge") {
  const auto all = train_bpe_on_text({train_text()}, {.vocab_size = 600}),
             few = train_bpe_on_text({train_text()}, {.vocab_size = 300});
  REQUIRE(few.pieces.size() == 300);
  CHECK(std::equal(few.pieces.begin(), few.pieces.end(), all.pieces.begin()));
  CHECK(std::equal(few.merges.begin(), few.merges.end(), all.merges.begin()));
  const auto runs = train_bpe_on_text({"aaaaaaa aaaaaaa aaaa\naaaa"}, {.vocab_size = 400, .special_tokens = {}});
  CHECK(runs.pieces.at(256) == "aa");
  CHECK(runs.pieces.at(257) == "aaaa");
}

TEST_CASE("train_bpe: what cannot be trained on") {
  CHECK_THROWS_WITH_AS(train_bpe({"/no/such/file"}), "/no/such/file: cannot be opened for reading", Error);
  CHECK_THROWS_WITH_AS(train_bpe_on_text({""}), "there is no text to train a vocabulary on", Error);
  CHECK_THROWS_WITH_AS(train_bpe_on_text({"a"}, {.vocab_size = 260}),
                       "a vocabulary of 260 has no room for 5 special tokens and 256 bytes", Error);
  CHECK_THROWS_AS(save_vocabulary(train_bpe_on_text({"a a"}), "/proc/no/such"), Error);
}
