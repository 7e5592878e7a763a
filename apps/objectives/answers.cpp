#include "apps/objectives/answers.h"

#include <algorithm>
#include <map>

#include "apps/common/progress.h"
#include "apps/data/order.h"
#include "apps/metrics/answer_scores.h"
#include "apps/train/ranks.h"
#include "engine/autograd.h"

namespace lowland::apps {
namespace {

std::string without_blanks(const std::string& text) {
  const char* blanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(blanks);
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

// The most frequent, of several the first that came up.
std::string most_frequent(const std::vector<std::string>& answers) {
  std::map<std::string, int64_t> times;
  for (const std::string& a : answers) ++times[a];
  std::string best;
  int64_t most = 0;
  for (const std::string& a : answers) {
    if (times[a] <= most) continue;
    best = a;
    most = times[a];
  }
  return best;
}

}  // namespace

EmbedPrompts embed_with_pictures(const Vlm& model, const Pictures& pictures, std::vector<std::vector<int32_t>> prompts,
                                 std::vector<std::vector<int32_t>> which) {
  return [&model, &pictures, prompts = std::move(prompts), which = std::move(which)](const nn::Rows& rows) {
    std::vector<nn::Segment> segments;
    for (size_t i = 0; i < prompts.size(); ++i) segments.push_back({prompts[i], static_cast<int64_t>(i), {}});
    const PlacedImages placed = place_pictures(model, pictures, segments, which);
    return model.embed(rows, placed, nn::Mode::evaluation());  // (N, C)
  };
}

void answer_questions(const Vlm& model, const QuestionFormat& format, Pictures& pictures, const VlmSplit& split,
                      const TextOptions& options, int64_t batch, dist::Communicator* ranks, const OnAnswer& on_answer) {
  const QuestionMaker maker(format, pictures);
  const auto size = static_cast<int64_t>(split.size());
  Progress progress("question", size, 0);
  const auto answers = [&](int64_t begin, int64_t end) {
    std::vector<std::vector<int32_t>> prompts, which;
    for (int64_t i = begin; i < end; ++i) {
      prompts.push_back(maker.prompt(split.questions[i]));
      which.push_back(split.pictures[i]);
    }
    const EmbedPrompts embed = embed_with_pictures(model, pictures, prompts, which);
    std::vector<std::string> texts;
    for (const Generated& g : generate_texts(model.language(), format.tokenizer, prompts, options, embed))
      texts.push_back(without_blanks(g.text));
    return texts;
  };
  deal_texts(ranks, size, batch, answers, [&](int64_t i, const std::string& text) {
    progress.hide();  // answers may go to the screen
    on_answer(i, text);
    progress.update(i + 1, "");
  });
  progress.finish();
}

int64_t likeliest_choice(const Vlm& model, const QuestionFormat& format, Pictures& pictures, const VlmSplit& split,
                         size_t question) {
  const NoGrad guard(model.context());
  const QuestionMaker maker(format, pictures);
  const Question& q = split.questions[question];
  VlmSplit all;  // one forward pass for all choices
  std::vector<int64_t> which;
  for (const std::string& choice : q.choices) {
    which.push_back(static_cast<int64_t>(which.size()));
    all.text.add(maker.make(q, choice));
    all.pictures.push_back(split.pictures[question]);
  }
  const nn::Mode mode = nn::Mode::evaluation();
  const PackedBatch batch = pack_questions(model, pictures, all, which, 0);
  const Tensor x = model.embed(batch.rows, batch.images, mode);          // (N, C)
  const Tensor selected = model.language().decode(x, batch.rows, mode);  // (K, C)
  std::vector<double> likelihoods;
  int64_t begin = 0;
  for (const LanguageExample& e : all.text.examples) {
    const int64_t end = begin + e.targets();
    const Tensor rows = selected.slice_rows(begin, end), targets = batch.targets.slice_rows(begin, end);
    likelihoods.push_back(-model.language().loss(rows, targets, {}).item());
    begin = end;
  }
  return choice_by_likelihood(likelihoods);
}

double question_only_accuracy(const std::vector<Question>& questions, const std::vector<Question>& known) {
  std::map<std::string, std::vector<std::string>> answers;  // by the words of the question
  std::vector<std::string> all;
  const auto words = [](const Question& q) { return q.messages.front().content; };
  for (const Question& q : known) {
    all.push_back(without_blanks(commonest(q.answers)));
    answers[words(q)].push_back(all.back());
  }
  std::map<std::string, std::string> best;
  for (const auto& [text, given] : answers) best[text] = most_frequent(given);
  const std::string otherwise = most_frequent(all);
  int64_t right = 0;
  for (const Question& q : questions) {
    const auto found = best.find(words(q));
    right += exact_match(found == best.end() ? otherwise : found->second, q.answers) ? 1 : 0;
  }
  return questions.empty() ? 0 : static_cast<double>(right) / static_cast<double>(questions.size());
}

int64_t shuffle_pictures(VlmSplit& split, uint64_t seed) {
  int64_t exchanged = 0;
  std::map<size_t, std::vector<size_t>> by_count;
  for (size_t i = 0; i < split.size(); ++i) by_count[split.pictures[i].size()].push_back(i);
  for (auto& [count, members] : by_count) {
    if (count == 0 || members.size() < 2) continue;
    // A random cycle: each takes the pictures of the next, or of the first behind it with others.
    shuffle(std::span<size_t>(members), seed, 0, OrderStream::carve);
    std::vector<std::vector<int32_t>> own;
    for (const size_t i : members) own.push_back(split.pictures[i]);
    for (size_t k = 0; k < members.size(); ++k) {
      size_t from = (k + 1) % members.size();
      while (from != k && own[from] == own[k]) from = (from + 1) % members.size();
      split.pictures[members[k]] = own[from];
      exchanged += own[from] != own[k] ? 1 : 0;
    }
  }
  return exchanged;
}

}  // namespace lowland::apps
