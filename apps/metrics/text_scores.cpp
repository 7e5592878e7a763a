#include "apps/metrics/text_scores.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "models/chat/strip.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// Runs of a-z and 0-9 of the text in lower case. Beyond ASCII only the Kelvin sign and the I with a dot have a lower
// case that begins with one of these.
std::vector<std::string> rouge_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto end = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c >= 'A' && c <= 'Z') {
      word += static_cast<char>(c + 32);
    } else if ((c >= 'a' && c <= 'z') || is_digit(c)) {
      word += c;
    } else if (text.substr(i).starts_with("\u212a")) {
      word += 'k';
      i += 2;
    } else if (text.substr(i).starts_with("\u0130")) {  // i and a combining dot
      word += 'i';
      i += 1;
      end();
    } else {
      end();
    }
  }
  end();
  return words;
}

// One of the signs that stand alone wherever they are: ASCII's punctuation but for ' , - . and with the space.
bool stands_alone(char c) {
  return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') ||
         (c >= ':' && c <= '@') || c == '/';
}

using Ngrams = std::map<std::vector<std::string>, int64_t>;

Ngrams counted_ngrams(const std::vector<std::string>& words, size_t n) {
  Ngrams counts;
  for (size_t i = 0; i + n <= words.size(); ++i) ++counts[{words.begin() + i, words.begin() + i + n}];
  return counts;
}

}  // namespace

double rouge_l(std::string_view text, std::string_view wanted) {
  const std::vector<std::string> a = rouge_words(wanted), b = rouge_words(text);
  if (a.empty() || b.empty()) return 0;
  std::vector<int64_t> row(b.size() + 1, 0);  // of the table of common lengths
  for (const std::string& word : a) {
    int64_t corner = 0;
    for (size_t j = 1; j <= b.size(); ++j) {
      const int64_t above = row[j];
      row[j] = word == b[j - 1] ? corner + 1 : std::max(above, row[j - 1]);
      corner = above;
    }
  }
  const double common = static_cast<double>(row.back());
  const double precision = common / static_cast<double>(b.size()), recall = common / static_cast<double>(a.size());
  return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

// The four substitutions of mteval-v13a, one after the other, each from left to right over what it has not used yet.
// They look at ASCII only, so bytes do for characters.
std::vector<std::string> words_13a(std::string_view source) {
  std::string text(strip_right(source));
  replace_all(text, "<skipped>", "");
  replace_all(text, "-\n", "");
  std::replace(text.begin(), text.end(), '\n', ' ');
  for (const auto& [from, to] : {std::pair{"&quot;", "\""}, {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}})
    replace_all(text, from, to);
  text = ' ' + text + ' ';
  const auto pass = [&text](auto&& put) {  // put: adds to `out` from place i, and returns how many bytes it has used
    std::string out;
    for (size_t i = 0; i < text.size();) i += put(out, i);
    text = std::move(out);
  };
  const auto point = [](char c) { return c == '.' || c == ','; };
  const auto next = [&text](size_t i) { return i + 1 < text.size() ? text[i + 1] : '\0'; };
  const auto copy = [&text](std::string& out, size_t i) {
    out += text[i];
    return size_t{1};
  };
  const auto spaced = [](std::string& out, const char* before, char a, const char* between, char b, const char* after) {
    ((((out += before) += a) += between) += b) += after;
    return size_t{2};
  };
  pass([&](std::string& out, size_t i) {
    if (!stands_alone(text[i])) return copy(out, i);
    out.append({' ', text[i], ' '});
    return size_t{1};
  });
  pass([&](std::string& out, size_t i) {
    return !is_digit(text[i]) && point(next(i)) ? spaced(out, "", text[i], " ", next(i), " ") : copy(out, i);
  });
  pass([&](std::string& out, size_t i) {
    return point(text[i]) && i + 1 < text.size() && !is_digit(next(i)) ? spaced(out, " ", text[i], " ", next(i), "")
                                                                       : copy(out, i);
  });
  pass([&](std::string& out, size_t i) {
    return is_digit(text[i]) && next(i) == '-' ? spaced(out, "", text[i], " ", '-', " ") : copy(out, i);
  });
  std::vector<std::string> words;
  for (std::string_view rest = strip_left(text); !rest.empty(); rest = strip_left(rest)) {
    size_t end = 0;
    while (end < rest.size() && strip_left(rest.substr(end)).size() == rest.size() - end) ++end;
    words.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  return words;
}

void TextScores::add(const std::string& text, const std::string& wanted) {
  ++n_;
  equal_ += strip(text) == strip(wanted) ? 1 : 0;
  rouge_ += lowland::rouge_l(text, wanted);
  const std::vector<std::string> words = words_13a(text), reference = words_13a(wanted);
  length_ += std::ssize(words);
  wanted_length_ += std::ssize(reference);
  for (size_t n = 0; n < kOrders; ++n) {
    const Ngrams there = counted_ngrams(reference, n + 1);
    for (const auto& [gram, count] : counted_ngrams(words, n + 1)) {
      all_[n] += count;
      const auto same = there.find(gram);
      if (same != there.end()) right_[n] += std::min(count, same->second);
    }
  }
}

double TextScores::bleu() const {
  if (std::all_of(right_.begin(), right_.end(), [](int64_t n) { return n == 0; })) return 0;
  double logs = 0, smoothing = 1;
  for (size_t n = 0; n < kOrders; ++n) {
    if (all_[n] == 0) return 0;  // no text is that long
    if (right_[n] == 0) smoothing *= 2;
    const double precision =
        (right_[n] == 0 ? 1 / smoothing : static_cast<double>(right_[n])) * 100 / static_cast<double>(all_[n]);
    logs += std::log(precision);
  }
  const double wanted = static_cast<double>(wanted_length_), length = static_cast<double>(length_);
  return (length < wanted ? std::exp(1 - wanted / length) : 1) * std::exp(logs / kOrders);
}

}  // namespace lowland
