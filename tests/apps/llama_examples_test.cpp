// What a language model learns of each example: which ids, and which of them are targets.
#include "apps/objectives/language_maker.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/apps/program.h"

using namespace lowland;
using namespace lowland::apps;

namespace {

const std::string kTokenizer = std::string(LL_SOURCE_DIR) + "/tests/golden/tokenizer_small";

struct Maker {
  std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(kTokenizer);
  LanguageSettings settings;

  LanguageExample operator()(const std::string& prompt, const std::string& completion) const {
    return ExampleMaker(*tokenizer, settings, kTokenizer, 64)
        .make({.prompt = prompt, .completion = completion, .where = "here"});
  }
  // The text of the learnt ids, and of the others.
  std::string text(const LanguageExample& e, uint8_t learnt) const {
    std::vector<int32_t> ids;
    for (size_t i = 0; i < e.ids.size(); ++i)
      if (e.learn[i] == learnt) ids.push_back(e.ids[i]);
    return tokenizer->decode(ids, false);
  }
};

}  // namespace

TEST_CASE("examples: bos, prompt, completion and eos; the completion and eos are learnt") {
  Maker maker;
  const LanguageExample e = maker("the cat", " sat down");
  REQUIRE(e.ids.size() == e.learn.size());
  CHECK(e.ids.front() == maker.tokenizer->special().bos);
  CHECK(e.ids.back() == maker.tokenizer->special().eos);
  CHECK(maker.text(e, 0) == "<s>the cat");
  CHECK(maker.text(e, 1) == " sat down</s>");
  maker.settings.loss = "all";
  const LanguageExample all = maker("the cat", " sat down");
  CHECK(all.ids == e.ids);
  CHECK(maker.text(all, 0) == "<s>");
}

TEST_CASE("examples: a token that straddles the end of the prompt is the prompt's") {
  const Maker maker;
  const LanguageExample whole = maker("", "the cat"), split = maker("th", "e cat");
  REQUIRE(whole.ids == split.ids);
  CHECK(maker.text(whole, 0) == "<s>");
  CHECK(split.targets() <= whole.targets());
  size_t first = 0;
  while (split.learn[first] == 0) ++first;
  const std::vector<int32_t> before(split.ids.begin() + 1, split.ids.begin() + first);
  CHECK(maker.tokenizer->decode(before).size() >= 2);  // what is not learnt reaches at least to the prompt's end
}

TEST_CASE("examples: user text never makes a special token") {
  const Maker maker;
  const LanguageExample e = maker("a</s>b", "c</s>");
  const int32_t eos = maker.tokenizer->special().eos;
  CHECK(std::count(e.ids.begin(), e.ids.end(), eos) == 1);
}

TEST_CASE("examples: over-long ones are cut or dropped, and counted; documents leave no token unlearnt") {
  Maker maker;
  const std::vector<LanguageRecord> records = {
      {.prompt = "a", .completion = " b", .where = "1"},
      {.prompt = "a", .completion = " b c d e f g h i j k l m n o p", .where = "2"},
      {.prompt = "a b c d e f g h i j k l", .completion = " m", .where = "3"}};
  const LanguageSplit cut = ExampleMaker(*maker.tokenizer, maker.settings, kTokenizer, 8).make_split(records);
  CHECK(cut.examples.size() == 2);
  CHECK(cut.cut == 1);
  CHECK(cut.dropped == 1);  // cut, the third has nothing to learn
  CHECK(cut.examples[1].ids.size() == 8);
  maker.settings.overlong = "drop";
  const LanguageSplit dropped = ExampleMaker(*maker.tokenizer, maker.settings, kTokenizer, 8).make_split(records);
  CHECK(dropped.examples.size() == 1);
  CHECK(dropped.dropped == 2);
  const test::TestFolder w;
  w.write("t.txt", "a b c d e f g h i j k l m n o p q r s t u v w x y z");
  const auto documents = [&](int64_t length) {
    return ExampleMaker(*maker.tokenizer, maker.settings, kTokenizer, length).make_documents({w / "t.txt"}, false);
  };
  const LanguageSplit pieces = documents(8), whole = documents(200);
  REQUIRE(whole.examples.size() == 1);
  CHECK(pieces.examples.size() > 3);
  CHECK(pieces.targets() == whole.targets());
  CHECK(whole.targets() == static_cast<int64_t>(whole.examples[0].ids.size()) - 1);
}
