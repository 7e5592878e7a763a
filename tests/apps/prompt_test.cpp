// Templates and label words: which tokens an example becomes, which row is read, and what is refused.
#include "apps/objectives/prompt.h"

#include <doctest/doctest.h>

#include "engine/error.h"
#include "tests/apps/program.h"

using namespace lowland;
using namespace lowland::apps;

namespace {

using Ids = std::vector<int32_t>;

const Tokenizer& small() {
  static const std::unique_ptr<Tokenizer> made =
      load_tokenizer(std::string(LL_SOURCE_DIR) + "/tests/golden/tokenizer_small");
  return *made;
}

Ids joined(const std::vector<Ids>& parts) {
  Ids out;
  for (const Ids& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

Ids of(const std::string& text) { return small().encode(text, {false}); }
Ids piece(const std::string& name) { return {small().id_of(name)}; }

Example pair(const std::string& a, const std::string& b) {
  Example e;
  e.text_a = a;
  e.text_b = b;
  e.has_pair = true;
  return e;
}
Example single(const std::string& a) {
  Example e;
  e.text_a = a;
  return e;
}

std::string refused(const std::string& text, const std::string& words, const std::string& task) {
  try {
    const TaskInfo info = task_info(task);
    Prompt(prompt_of(text, words, info), info, small());
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("prompts: the tokens of LM-BFF's templates, and the mask's row") {
  const TaskInfo sst2 = task_info("sst2"), rte = task_info("rte");
  const Ids cls = piece("<s>"), sep = piece("</s>"), mask = piece("<mask>");
  const Prompt was(prompt_of("*cls**sent_0*_It_was*mask*.*sep+*", "no,that", sst2), sst2, small());
  CHECK(was.words() == Ids{small().id_of("\u0120no"), small().id_of("\u0120that")});
  const Ids text = of("He knew it <mask>");  // a text makes no special token
  Prompt::Tokens t = was.tokens(single("He knew it <mask>"), 100);
  CHECK(t.ids == joined({cls, text, of(" It was"), mask, of("."), sep}));
  CHECK(t.ids[t.mask] == mask[0]);
  CHECK(t.mask == static_cast<int32_t>(1 + text.size() + of(" It was").size()));
  CHECK(!t.cut);
  CHECK(t.types == Ids(t.ids.size(), 0));

  // The sign at the first text's end goes, the second begins small behind a space; the longer one is cut.
  const Prompt follows(
      prompt_of("*cls**sent-_0*?*mask*,*+sentl_1**sep+*", R"({"entailment":"you","not_entailment":"no"})", rte), rte,
      small());
  const Ids a = of("She is single"), b = of(" the man knows");
  t = follows.tokens(pair("She is single.", "The man knows"), 100);
  CHECK(t.ids == joined({cls, a, of("?"), mask, of(","), b, sep}));
  CHECK(follows.tokens(pair("She is single", "the man knows"), 100).ids == t.ids);
  CHECK(follows.tokens(pair("She is single.)", "the man knows"), 100).ids ==
        joined({cls, of("She is single."), of("?"), mask, of(","), b, sep}));
  const size_t fixed = 5;
  t = follows.tokens(pair("She is single", "The man knows"),
                     static_cast<int64_t>(fixed + 2 * std::min(a.size(), b.size()) - 2));
  const Ids short_a(a.begin(), a.begin() + std::min(a.size(), b.size()) - 1),
      short_b(b.begin(), b.begin() + std::min(a.size(), b.size()) - 1);
  CHECK(t.cut);
  CHECK(t.ids == joined({cls, short_a, of("?"), mask, of(","), short_b, sep}));
  CHECK(t.ids[t.mask] == mask[0]);
  CHECK_THROWS_WITH_AS(follows.tokens(pair("a", "b"), 5), "--max-length 5: the template alone has 5 tokens", Error);

  // Types count the separators behind which they stand.
  const Prompt two(prompt_of("*cls**sentu_0**sep+**+sent_1*_*mask**sep+*", "you,no", rte), rte, small());
  t = two.tokens(pair("he", "It is"), 100);
  const Ids first = joined({cls, of("He"), sep}), second = joined({of(" It is"), of(" "), mask, sep});
  CHECK(t.ids == joined({first, second}));
  Ids types(first.size(), 0);
  types.resize(first.size() + second.size(), 1);
  CHECK(t.types == types);
}

TEST_CASE("prompts: the tasks' own, by label; a mapping by name, spelling or id") {
  const PromptText own = prompt_of("task", "", task_info("trec"));
  CHECK(own.text == "*cls**mask*:*+sent_0**sep+*");
  CHECK(own.words == std::vector<std::string>{"Description", "Entity", "Expression", "Human", "Location", "Number"});
  CHECK(prompt_of("task", "", task_info("mnli")).words == std::vector<std::string>{"Yes", "Maybe", "No"});
  for (const char* name : {"cola", "sst2", "mrpc", "qqp", "mnli", "qnli", "rte", "snli", "sst5", "trec", "mr", "subj"})
    CHECK(prompt_of("task", "", task_info(name)).words.size() == static_cast<size_t>(task_info(name).num_labels));
  const TaskInfo mnli = remap_labels(task_info("mnli"), {{"contradiction", 0}, {"neutral", 1}, {"entailment", 2}});
  CHECK(prompt_of("task", "", mnli).words == std::vector<std::string>{"No", "Maybe", "Yes"});
  for (const char* words :
       {R"({"0": "bad", "1": "good"})", R"({"positive": "good", "negative": "bad"})", R"(["bad", "good"])", "bad,good"})
    CHECK(prompt_of("task", words, task_info("sst2")).words == std::vector<std::string>{"bad", "good"});
}

TEST_CASE("prompts: what cannot be is refused") {
  const std::string text = "*cls**sent_0**mask**sep+*";
  CHECK(refused("*cls**sent_0**sep+*", "you,no", "sst2") ==
        "--template *cls**sent_0**sep+*: it has 0 *mask*, where one is expected");
  CHECK(refused("*mask**sent_0**mask*", "you,no", "sst2").find("it has 2 *mask*") != std::string::npos);
  CHECK(refused("*cls**mask**sep+*", "you,no", "sst2").find("have one text, *sent_0*, and it uses none") !=
        std::string::npos);
  CHECK(refused("*sent_0**mask**sent_1*", "you,no", "sst2").find("and it uses both") != std::string::npos);
  CHECK(refused(text, "you,no", "rte").find("have two texts, *sent_0* and *sent_1*, and it uses the first alone") !=
        std::string::npos);
  CHECK(refused(text, "you", "sst2") == "--label-words: 1 words for 2 labels: 0 (negative), 1 (positive)");
  CHECK(refused(text, "no,no", "sst2") == "--label-words: `no` stands for negative and for positive");
  CHECK(refused(text, "no,unlikely", "sst2").find("--label-words: `unlikely` is ") == 0);
  CHECK(
      refused(text, R"({"0": "no", "7": "you"})", "sst2").find("`7` is no label of the task, which has 0 (negative)") !=
      std::string::npos);
  CHECK(refused(text, R"({"0": "no"})", "sst2") == "--label-words: the label positive has no word");
  CHECK(refused(text, R"({"0": "no", "negative": "you"})", "sst2").find("the label negative has two words") !=
        std::string::npos);
  CHECK(refused(text, R"({"0": 1})", "sst2").find("expected a comma list") != std::string::npos);
  CHECK(refused("task", "", "stsb").find("the task stsb is a regression") != std::string::npos);
  CHECK(refused("task", "", "boolq").find("the task boolq has none") != std::string::npos);
  CHECK(refused(text, "", "boolq").find("--label-words is missing: a word for each of") != std::string::npos);
}
