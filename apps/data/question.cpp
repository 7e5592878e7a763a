#include "apps/data/question.h"

#include <algorithm>

#include "engine/error.h"

namespace lowland {
namespace {

size_t marks_in(std::string_view text) {
  size_t count = 0;
  for (size_t at = text.find(kImageMark); at != text.npos; at = text.find(kImageMark, at + kImageMark.size())) ++count;
  return count;
}

}  // namespace

std::string commonest(const std::vector<std::string>& answers) {
  std::string best;
  int64_t most = 0;
  for (const std::string& answer : answers) {
    const int64_t times = std::count(answers.begin(), answers.end(), answer);
    if (times <= most) continue;
    best = answer;
    most = times;
  }
  return best;
}

std::string question_text(size_t images, const std::string& text, const std::string& instruction) {
  std::string out;
  if (marks_in(text) == 0) {
    for (size_t i = 0; i < images; ++i) out += std::string(kImageMark) + "\n";
  }
  out += text;
  if (!instruction.empty()) out += (out.empty() || out.ends_with('\n') ? "" : "\n") + instruction;
  if (out.ends_with("<image>\n")) out.pop_back();  // nothing but the picture
  return out;
}

void check_question(const Question& q) {
  size_t marks = 0;
  for (const ChatMessage& m : q.messages) {
    const size_t here = marks_in(m.content);
    LL_CHECK(here == 0 || m.role == "user", "{}: {} in a message of the {}: pictures belong to the user's", q.where,
             kImageMark, m.role);
    marks += here;
  }
  LL_CHECK(marks == q.images.size(), "{}: {} times {} in the text, but {} pictures", q.where, marks, kImageMark,
           q.images.size());
  LL_CHECK(q.choices.empty() || !q.labelled() || (q.choice >= 0 && q.choice < std::ssize(q.choices)),
           "{}: the right choice is not one of the {}", q.where, q.choices.size());
}

}  // namespace lowland
