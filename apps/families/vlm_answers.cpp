// Questions about pictures answered: scored, printed, talked about.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "apps/common/progress.h"
#include "apps/families/vlm.h"
#include "apps/metrics/answer_scores.h"
#include "apps/objectives/answers.h"
#include "apps/train/ranks.h"
#include "engine/error.h"
#include "models/images/decode.h"

namespace lowland::apps {
namespace fs = std::filesystem;
namespace {

const Vlm& as_vlm(const nn::Model& model) { return static_cast<const Vlm&>(model); }

// Scores of a split's answers, as they come.
class Scores {
 public:
  explicit Scores(const VlmSplit& split) : split_(split) {}

  void add(size_t i, const std::string& answer) {
    const Question& q = split_.questions[i];
    right_ += exact_match(answer, q.answers) ? 1 : 0;
    if (q.answers.size() > 1) {
      vqa_ += vqa_accuracy(answer, q.answers);
      ++several_;
    }
    if (q.choices.empty()) return;
    const auto choices = static_cast<int64_t>(q.choices.size());
    const int64_t by_text = choice_by_text(answer, q.choices);
    add_choice(i, by_text >= 0 ? by_text : choice_by_letter(answer, choices));
  }
  void add_choice(size_t i, int64_t chosen) {
    choices_.add(chosen, split_.questions[i].choice, split_.questions[i].groups);
    ++chosen_;
  }
  void print_into(nlohmann::ordered_json& out, bool generated) const {
    if (generated) out["eval_exact_match"] = static_cast<double>(right_) / static_cast<double>(split_.size());
    if (several_ > 0) out["eval_vqa_accuracy"] = vqa_ / static_cast<double>(several_);
    if (chosen_ == 0) return;
    for (const Metric& m : choices_.metrics())
      out["eval_" + m.name] = m.value ? nlohmann::ordered_json(*m.value) : nlohmann::ordered_json(nullptr);
    out["eval_unparsed"] = choices_.unparsed();
  }

 private:
  const VlmSplit& split_;
  int64_t right_ = 0, several_ = 0, chosen_ = 0;
  double vqa_ = 0;
  ChoiceScore choices_;
};

// As the user's last message puts it.
std::string last_question(const Question& q) {
  for (size_t i = q.messages.size(); i-- > 0;)
    if (q.messages[i].role == "user") return q.messages[i].content;
  return "";
}

size_t count_marks(const std::string& text) {
  size_t n = 0;
  for (size_t at = text.find(kImageText); at != std::string::npos; at = text.find(kImageText, at + 1)) ++n;
  return n;
}

}  // namespace

// What the answers of the training questions alone would give; nothing without training questions.
void VlmSession::add_question_only(const VlmSplit& split, nlohmann::ordered_json& out) const {
  if (splits.train.empty() && questions_.data.empty()) return;
  QuestionOptions options = question_options({.dev = false});
  options.dev_fraction = 0;
  options.max_train_samples = 0;
  options.skip_bad_images = false;
  const QuestionSet set = load_questions(questions_.task, options);
  out["eval_question_only"] = question_only_accuracy(split.questions, set.train.questions);
}

void VlmSession::score(const Vlm& model, const VlmSplit& split, nlohmann::ordered_json& out) {
  Scores scores(split);
  const bool generated = scores_.choose == "generate";
  if (generated) {
    SamplingSettings sampling;
    sampling.max_new_tokens = scores_.max_new_tokens > 0                 ? scores_.max_new_tokens
                              : questions_.scienceqa_format == "lecture" ? 512
                                                                         : 32;
    sampling.stop = GenerationConfig::from_folder(folder).eos_token_ids;
    const TextOptions options = generate_options(config_.text, *tokenizer, system.seed, sampling);
    answer_questions(model, format(), *pictures_, split, options, batch.batch_size, ranks,
                     [&](size_t i, const std::string& answer) { scores.add(i, answer); });
  } else {
    for (const Question& q : split.questions)
      LL_CHECK(!q.choices.empty(), "{}: --choose likelihood needs choices", q.where);
    deal(
        ranks, std::ssize(split.questions),
        [&](int64_t i) { return std::to_string(likeliest_choice(model, format(), *pictures_, split, i)); },
        [&](int64_t i, const std::string& chosen) { scores.add_choice(i, std::stoll(chosen)); });
  }
  scores.print_into(out, generated);
}

nlohmann::ordered_json VlmSession::evaluate(const nn::Model& model, DataSplit which) {
  VlmSplit& split = objective_->split(which);
  if (scores_.shuffle_images)
    LL_CHECK(shuffle_pictures(split, static_cast<uint64_t>(system.seed)) > 0,
             "--shuffle-images: the {} split has no two questions with different images", name_of(which));
  nlohmann::ordered_json out;
  const bool loss_only = objective_->metric() == "loss";
  if (scores_.loss || loss_only) out = evaluated(model, which).metrics;
  if (!loss_only) {
    score(as_vlm(model), split, out);
    add_question_only(split, out);
  }
  out["eval_examples"] = split.size();
  if (split.text.dropped > 0) out["eval_dropped"] = split.text.dropped;  // longer than the model takes
  if (scores_.shuffle_images) out["shuffled_images"] = true;
  return out;
}

// Of --input, or of the run's or --data's split.
std::vector<Question> VlmSession::input_questions() const {
  LL_CHECK(!input_.empty() || !questions_.data.empty(), "--input names the questions, and is missing");
  const DataSplit split = parse_split("split", split_);
  const QuestionOptions options = question_options(Wanted::only(split, false));
  QuestionSplit questions;
  if (!input_.empty()) {
    questions = load_question_file(questions_.task, input_, options);
  } else {
    QuestionSet set = load_questions(questions_.task, options);
    questions = std::move(split == DataSplit::train ? set.train : split == DataSplit::dev ? set.dev : set.test);
  }
  if (questions.skipped > 0) say("left out: " + questions.skip_reason);
  return std::move(questions.questions);
}

void VlmSession::read_input() {
  const QuestionMaker maker(format(), *pictures_);
  asked_.questions = input_questions();
  for (const Question& q : asked_.questions) {
    asked_.pictures.push_back(maker.pictures_of(q));
    maker.prompt(q);  // refused now, if it is too long
  }
  generate_options(config_.text, *tokenizer, system.seed, sampling_);
}

void VlmSession::predict(const nn::Model& model, const OnRow& row) {
  const TextOptions options = generate_options(config_.text, *tokenizer, system.seed, sampling_);
  answer_questions(as_vlm(model), format(), *pictures_, asked_, options, batch.batch_size, ranks,
                   [&](size_t i, const std::string& answer) {
                     const Question& q = asked_.questions[i];
                     nlohmann::ordered_json o;
                     o["index"] = q.index;
                     if (!q.id.empty()) o["id"] = q.id;
                     if (q.images.size() == 1) o["image"] = q.images.front();
                     if (q.images.size() > 1) o["images"] = q.images;
                     if (!keep_.empty()) o["question"] = last_question(q);
                     o["answer"] = answer;
                     row(o);
                   });
}

void VlmSession::begin_chat() {
  for (const std::string& file : std::exchange(images_, {})) take_picture(file);
}

// The images come before the next line, unless it has a mark for each where it belongs.
void VlmSession::take_picture(const std::string& file) {
  read_image(file);  // refused now, if it is no picture
  shown_.push_back(pictures_->add(file, "chat"));
  front_ += std::string(kImageText) + "\n";
  images_.push_back(file);
  ++unplaced_;
}

void VlmSession::forget(const ChatMessage& message, bool newest) {
  const size_t n = std::min(count_marks(message.content), shown_.size()), from = newest ? shown_.size() - n : 0;
  shown_.erase(shown_.begin() + from, shown_.begin() + from + n);
  images_.erase(images_.begin() + from, images_.begin() + from + n);
}

bool VlmSession::take_line(std::string& line) {
  const size_t marks = count_marks(line);
  if (marks != 0 && marks != unplaced_) {
    say(fmt::format("{} <image> in this line, {} images to place: none of them, or all", marks, unplaced_));
    return false;
  }
  if (marks == 0) line = front_ + line;
  front_.clear();
  unplaced_ = 0;
  return true;
}

std::vector<int32_t> VlmSession::conversation(const std::vector<ChatMessage>& messages) const {
  return encode_with_images(*tokenizer, prompt_, config_, messages, true).ids;
}

EmbedPrompts VlmSession::embedding(const nn::Model& model, const std::vector<int32_t>& ids) const {
  return embed_with_pictures(as_vlm(model), *pictures_, {ids}, {shown_});
}

}  // namespace lowland::apps
