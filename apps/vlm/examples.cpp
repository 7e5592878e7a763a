#include "apps/vlm/examples.h"

#include <algorithm>

#include "apps/common/progress.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

// What is said up to the last answer.
std::vector<ChatMessage> asked(const Question& question) {
  std::vector<ChatMessage> out;
  for (const LanguageMessage& m : question.messages) out.push_back({m.role, m.content});
  if (!out.empty() && out.back().role == "assistant") out.pop_back();
  return out;
}

}  // namespace

VlmExampleMaker::VlmExampleMaker(const VlmSession& session, Pictures& pictures)
    : session_(session), pictures_(pictures) {
  const Settings& s = session.settings;
  LL_CHECK(s.overlong == "cut" || s.overlong == "drop", "--overlong must be cut or drop, got {}", s.overlong);
  LL_CHECK(session.longest() >= 2, "--max-length must be at least 2, got {}", s.max_length);
}

ChatIds VlmExampleMaker::encode(const Question& question, const std::vector<ChatMessage>& messages,
                                bool generation_prompt) const {
  try {
    return encode_with_images(*session_.tokenizer, session_.prompt, session_.config, messages, generation_prompt);
  } catch (const Error& error) {
    fail("{}: {}", question.where, error.what());
  }
}

LanguageExample VlmExampleMaker::make(const Question& question, const std::string& answer) const {
  std::vector<ChatMessage> messages = asked(question);
  messages.push_back({"assistant", answer});
  ChatIds ids = encode(question, messages, false);
  LanguageExample e{std::move(ids.ids), std::move(ids.is_answer)};
  if (!e.learn.empty()) e.learn[0] = 0;
  return e;
}

std::vector<int32_t> VlmExampleMaker::prompt(const Question& question) const {
  std::vector<int32_t> ids = encode(question, asked(question), true).ids;
  const int64_t n = static_cast<int64_t>(ids.size()), most = session_.config.text.max_tokens();
  LL_CHECK(n <= most, "{}: the question has {} tokens, the model takes {}", question.where, n, most);
  return ids;
}

std::vector<int32_t> VlmExampleMaker::pictures_of(const Question& question) const {
  std::vector<int32_t> out;
  for (const std::string& file : question.images) out.push_back(pictures_.add(file, question.where));
  return out;
}

VlmSplit VlmExampleMaker::make_split(std::vector<Question> questions) const {
  const auto most = static_cast<size_t>(session_.longest()), all = questions.size();
  const auto token = static_cast<int32_t>(session_.config.image_token_id);
  VlmSplit split;
  for (Question& q : questions) {
    LanguageExample e = make(q, q.messages.back().content);
    // An image is there whole or not at all.
    const auto end = e.ids.begin() + static_cast<std::ptrdiff_t>(std::min(most, e.ids.size()));
    if (std::find(end, e.ids.end(), token) != e.ids.end()) {
      ++split.text.dropped;
    } else if (take_example(std::move(e), session_.settings, session_.longest(), split.text)) {
      split.pictures.push_back(pictures_of(q));
      split.questions.push_back(std::move(q));
    }
  }
  LL_CHECK(!split.questions.empty(), "none of the {} examples has a token to learn within {} tokens", all, most);
  return split;
}

QuestionOptions question_options(const VlmSession& session, bool train, bool dev, bool test) {
  const Settings& s = session.settings;
  LL_CHECK(s.scienceqa_format == "letter" || s.scienceqa_format == "lecture",
           "--scienceqa-format must be letter or lecture, got {}", s.scienceqa_format);
  QuestionOptions o;
  o.train = train;
  o.dev = dev;
  o.test = test;
  o.data = s.data;
  o.train_files = s.train_files;
  o.dev_file = s.dev_file;
  o.test_file = s.test_file;
  o.images = s.image_dir;
  if (!s.instruction.empty()) o.instruction = s.instruction;
  o.scienceqa = s.scienceqa_format == "letter" ? ScienceQaFormat::letter : ScienceQaFormat::lecture;
  o.dev_fraction = s.dev_fraction;
  o.seed = static_cast<uint64_t>(s.seed);
  o.max_train_samples = s.max_train_samples;
  o.max_eval_samples = s.max_eval_samples;
  o.skip_bad_images = s.skip_bad_images;
  o.threads = session.context->threads();
  return o;
}

VlmData load_vlm_data(const VlmSession& session, Pictures& pictures, bool train, bool dev, bool test) {
  const VlmExampleMaker maker(session, pictures);
  QuestionSet set = load_questions(session.settings.task, question_options(session, train, dev, test));
  VlmData data;
  data.metric = set.metric;
  const auto make = [&](const char* name, QuestionSplit& from, VlmSplit& into) {
    if (from.questions.empty()) return;
    LL_CHECK(from.labelled(), "the {} questions have no answers: predict takes them", name);
    into = maker.make_split(std::move(from.questions));
    say_split(name, into.text, session.longest());
    if (from.skipped > 0) say(fmt::format("{}: left out: {}", name, from.skip_reason));
  };
  make("train", set.train, data.train);
  make("dev", set.dev, data.dev);
  make("test", set.test, data.test);
  return data;
}

}  // namespace lowland::apps
