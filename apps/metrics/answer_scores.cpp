#include "apps/metrics/answer_scores.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>

#include "apps/metrics/text_scores.h"
#include "engine/error.h"
#include "models/chat/strip.h"

namespace lowland {
namespace {

constexpr std::string_view kVqaPunctuation = ";/[]\"{}()=+\\_-><@`,?!";
constexpr int kMostStops = 32;  // the original hands a flag to the place of a count

// Each word is also known without any one of its apostrophes: couldn'tve and couldnt've, but not couldntve.
constexpr const char* kContractions =
    "ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd "
    "he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've "
    "needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've "
    "somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll "
    "that's there'd there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've "
    "we've weren't what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's "
    "who've why'll why're why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've "
    "you'll you're you've";

std::vector<std::string> words_of(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  std::vector<std::string> out;
  for (size_t i = 0; i < text.size();) {
    while (i < text.size() && is_space(text[i])) ++i;
    const size_t begin = i;
    while (i < text.size() && !is_space(text[i])) ++i;
    if (i > begin) out.emplace_back(text.substr(begin, i - begin));
  }
  return out;
}

// What becomes of a word: itself, another word, or nothing (articles).
const std::unordered_map<std::string, std::string>& word_map() {
  static const auto map = [] {
    std::unordered_map<std::string, std::string> out{{"none", "0"}, {"zero", "0"}, {"a", ""},
                                                     {"an", ""},    {"the", ""},   {"somebody'd", "somebodyd"}};
    const char* const numbers[] = {"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};
    for (int i = 0; i < 10; ++i) out.emplace(numbers[i], std::to_string(i + 1));
    for (const std::string& word : words_of(kContractions)) {
      for (size_t at = word.find('\''); at != word.npos; at = word.find('\'', at + 1))
        out.emplace(word.substr(0, at) + word.substr(at + 1), word);
    }
    return out;
  }();
  return map;
}

bool has_comma_between_digits(std::string_view text) {
  for (size_t i = 1; i + 1 < text.size(); ++i)
    if (text[i] == ',' && is_digit(text[i - 1]) && is_digit(text[i + 1])) return true;
  return false;
}

std::string without_punctuation(const std::string& text) {
  std::array<bool, 256> goes{};  // and is no space instead
  const bool comma = has_comma_between_digits(text);
  for (const char p : kVqaPunctuation) {
    const std::string before{' ', p}, after{p, ' '};
    goes[static_cast<unsigned char>(p)] = comma || text.find(after) != text.npos || text.find(before) != text.npos;
  }
  std::string out;
  for (const char c : text) {
    if (kVqaPunctuation.find(c) == kVqaPunctuation.npos) {
      out += c;
    } else if (!goes[static_cast<unsigned char>(c)]) {
      out += ' ';
    }
  }
  std::string clean;
  int stops = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    const bool stop = out[i] == '.' && !(i + 1 < out.size() && is_digit(out[i + 1]));
    if (stop && stops++ < kMostStops) continue;
    clean += out[i];
  }
  return clean;
}

}  // namespace

std::string normalise_answer(std::string_view text) {
  std::string spaced(text);
  std::replace_if(
      spaced.begin(), spaced.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  std::string out;
  for (std::string& word : words_of(to_lower(without_punctuation(std::string(strip(spaced)))))) {
    const auto at = word_map().find(word);
    if (at != word_map().end()) word = at->second;
    if (!word.empty()) out += (out.empty() ? "" : " ") + word;
  }
  return out;
}

double vqa_accuracy(std::string_view predicted, std::span<const std::string> answers) {
  const auto n = std::ssize(answers);
  LL_CHECK(n > 1, "vqa_accuracy needs the answers of at least two people, got {}", n);
  const std::string given = normalise_answer(predicted);
  int64_t equal = 0;
  for (const std::string& answer : answers) equal += normalise_answer(answer) == given ? 1 : 0;
  const auto share = [](int64_t others) { return std::min(1.0, static_cast<double>(others) / 3); };
  const double sum = static_cast<double>(equal) * share(equal - 1) + static_cast<double>(n - equal) * share(equal);
  return sum / static_cast<double>(n);
}

bool exact_match(std::string_view predicted, std::span<const std::string> answers) {
  const std::string_view given = strip(predicted);
  return std::any_of(answers.begin(), answers.end(), [&](const std::string& a) { return strip(a) == given; });
}

int64_t choice_by_letter(std::string_view text, int64_t choices) {
  text = strip(text);
  const auto choice_of = [&](char c) { return c >= 'A' && c < 'A' + choices ? int64_t{c - 'A'} : int64_t{-1}; };
  if (text.size() == 1) return choice_of(text[0]);
  if (text.size() == 2 && text[1] == '.') return choice_of(text[0]);
  if (text.size() >= 3 && text.substr(1, 2) == ". " && choice_of(text[0]) >= 0) return choice_of(text[0]);
  if (text.size() >= 3 && text[0] == '(' && text[2] == ')' && choice_of(text[1]) >= 0) return choice_of(text[1]);
  constexpr std::string_view kSentence = "The answer is ";
  int64_t found = -1;
  for (size_t at = text.find(kSentence); at != text.npos; at = text.find(kSentence, at + 1)) {
    const size_t letter = at + kSentence.size();
    if (letter + 1 >= text.size() || text[letter] < 'A' || text[letter] > 'Z') continue;
    if (found >= 0) return -1;  // two answers are none
    found = text[letter] - 'A';
  }
  return found < choices ? found : -1;
}

int64_t choice_by_text(std::string_view text, std::span<const std::string> choices) {
  for (size_t i = 0; i < choices.size(); ++i)
    if (strip(choices[i]) == strip(text)) return i;
  return -1;
}

int64_t choice_by_likelihood(std::span<const double> log_likelihoods) {
  LL_CHECK(!log_likelihoods.empty(), "there is no choice to take the likeliest of");
  for (const double v : log_likelihoods) LL_CHECK(!std::isnan(v), "the likelihood of a choice is not a number");
  return std::max_element(log_likelihoods.begin(), log_likelihoods.end()) - log_likelihoods.begin();
}

void ChoiceScore::add(int64_t chosen, int64_t right, const std::vector<std::string>& groups) {
  const auto count = [&](Count& c) {
    c.right += chosen == right ? 1 : 0;
    ++c.all;
  };
  count(total_);
  unparsed_ += chosen < 0 ? 1 : 0;
  for (const std::string& group : groups) count(groups_[group]);
}

double ChoiceScore::accuracy() const {
  LL_CHECK(total_.all > 0, "there is no question to score");
  return static_cast<double>(total_.right) / static_cast<double>(total_.all);
}

std::vector<Metric> ChoiceScore::metrics() const {
  std::vector<Metric> out{{"accuracy", accuracy()}};
  std::map<std::string, Count> left = groups_;
  const auto add = [&](const std::string& name, const Count& c) {
    out.push_back({"accuracy_" + name, static_cast<double>(c.right) / static_cast<double>(c.all)});
  };
  for (const char* name : {"NAT", "SOC", "LAN", "TXT", "IMG", "NO", "G1-6", "G7-12"}) {
    const auto at = left.find(name);
    if (at == left.end()) continue;
    add(name, at->second);
    left.erase(at);
  }
  for (const auto& [name, count] : left) add(name, count);
  return out;
}

}  // namespace lowland
