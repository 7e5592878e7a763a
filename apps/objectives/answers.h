// Answers to questions, generated or chosen; and how many of them are right.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "apps/common/generate_text.h"
#include "apps/objectives/questions.h"

namespace lowland::apps {

// Called with each answer, in the order of the questions. Blanks around an answer are taken off.
using OnAnswer = std::function<void(size_t question, const std::string& answer)>;

// `batch` questions at a time, which several processes deal among them: all are told all answers.
void answer_questions(const Vlm& model, const QuestionFormat& format, Pictures& pictures, const VlmSplit& split,
                      const TextOptions& options, int64_t batch, dist::Communicator* ranks, const OnAnswer& on_answer);

// The choice that the model finds likeliest as an answer, of a question with choices.
int64_t likeliest_choice(const Vlm& model, const QuestionFormat& format, Pictures& pictures, const VlmSplit& split,
                         size_t question);

// The embedded rows of prompts with these pictures, for generate().
EmbedPrompts embed_with_pictures(const Vlm& model, const Pictures& pictures, std::vector<std::vector<int32_t>> prompts,
                                 std::vector<std::vector<int32_t>> which);

// The share of exact matches if each question gets the answer most frequent for its words in `known` (for words that
// are not there, the most frequent of all): what can be had without looking.
double question_only_accuracy(const std::vector<Question>& questions, const std::vector<Question>& known);

// Pictures exchanged among the questions that have as many, by the seed; none keeps its own if it can be helped.
// Returns how many were given others.
int64_t shuffle_pictures(VlmSplit& split, uint64_t seed);

}  // namespace lowland::apps
