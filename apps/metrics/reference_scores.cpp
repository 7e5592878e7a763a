#include "apps/metrics/reference_scores.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "apps/metrics/text_scores.h"
#include "models/tokenizers/unicode_classes.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

using Words = std::vector<std::string>;
using Counts = std::map<std::string, double>;

std::string lower_case(const std::string& word) {
  std::string out;
  for (const char *p = word.data(), *end = p + word.size(); p < end;) {
    const Utf8Char c = utf8_next(p, end);
    utf8_append(out, small_letter(c.code));
    p += c.length;
  }
  return out;
}

// 13a's words in lower case; of an empty text one empty word, as of Python's split(' ').
Words small_words(const std::string& text) {
  Words words = words_13a(text);
  for (std::string& word : words) word = lower_case(word);
  if (words.empty()) words.emplace_back();
  return words;
}

bool is_sign(const std::string& word) {
  static const std::set<std::string> signs = {"\"", "'",  "`",   ".", "?", "!", ",", ":",
                                              "-",  "--", "...", ";", "(", ")", "{", "}"};
  return signs.count(word) > 0;
}

Words without_signs(Words words) {
  std::erase_if(words, [](const std::string& word) { return word.empty() || is_sign(word); });
  return words;
}

Counts ngrams(const Words& words, size_t n) {
  Counts counts;
  for (size_t i = 0; i + n <= words.size(); ++i) {
    std::string gram = words[i];
    for (size_t k = 1; k < n; ++k) gram += ' ' + words[i + k];
    counts[gram] += 1;
  }
  return counts;
}

double at(const Counts& counts, const std::string& gram) {
  const auto found = counts.find(gram);
  return found == counts.end() ? 0 : found->second;
}

// The longest common subsequence.
double common(const Words& a, const Words& b) {
  std::vector<double> row(b.size() + 1, 0);
  for (const std::string& word : a) {
    double corner = 0;
    for (size_t j = 1; j <= b.size(); ++j) {
      const double above = row[j];
      row[j] = word == b[j - 1] ? corner + 1 : std::max(above, row[j - 1]);
      corner = above;
    }
  }
  return row.back();
}

double rouge_of(Words text, const std::vector<Words>& references) {
  constexpr double kBeta = 1.2;
  if (text.empty()) text.emplace_back();
  double precision = 0, recall = 0;
  for (Words reference : references) {
    if (reference.empty()) reference.emplace_back();
    const double length = common(reference, text);
    precision = std::max(precision, length / static_cast<double>(text.size()));
    recall = std::max(recall, length / static_cast<double>(reference.size()));
  }
  if (precision == 0 || recall == 0) return 0;
  return (1 + kBeta * kBeta) * precision * recall / (recall + kBeta * kBeta * precision);
}

}  // namespace

void ReferenceScores::add_ngrams(const Words& text, const std::vector<Words>& references) {
  const auto length = static_cast<double>(text.size());
  for (size_t n = 0; n < kNistOrders; ++n) {
    all_[n] += length - static_cast<double>(n);
    Counts most;  // in any reference
    for (const Words& reference : references)
      for (const auto& [gram, count] : ngrams(reference, n + 1)) {
        most[gram] = std::max(most[gram], count);
        reference_grams_[n][gram] += count;
      }
    for (const auto& [gram, count] : ngrams(text, n + 1)) {
      const double right = std::min(count, at(most, gram));
      if (right == 0) continue;
      if (n < kBleuOrders) right_[n] += right;
      hits_.push_back({n, gram, right});
    }
  }
  double sum = 0, nearest = static_cast<double>(references[0].size());
  for (const Words& reference : references) {
    const auto size = static_cast<double>(reference.size());
    const double off = std::abs(size - length), best = std::abs(nearest - length);
    if (off < best || (off == best && size < nearest)) nearest = size;
    sum += size;
  }
  nearest_length_ += nearest;
  reference_words_ += sum;
  mean_length_ += sum / static_cast<double>(references.size());
}

void ReferenceScores::add(const std::string& text, const std::vector<std::string>& references) {
  Words words = small_words(text);
  std::vector<Words> wanted;
  for (const std::string& reference : references) wanted.push_back(small_words(reference));
  add_ngrams(words, wanted);
  words = without_signs(std::move(words));
  for (Words& w : wanted) w = without_signs(std::move(w));
  rouge_ += rouge_of(words, wanted);
  MeteorCounts best;
  double most = -1;
  for (const Words& w : wanted) {
    const MeteorCounts counts = meteor_counts(words, w);
    if (counts.score() <= most) continue;
    most = counts.score();
    best = counts;
  }
  meteor_ += best;
  Text& t = texts_.emplace_back();
  t.references.resize(wanted.size());
  for (size_t n = 1; n <= kCiderOrders; ++n) {
    t.grams.push_back(ngrams(words, n));
    for (size_t i = 0; i < wanted.size(); ++i) t.references[i].push_back(ngrams(wanted[i], n));
  }
}

double ReferenceScores::bleu() const {
  double logs = 0;
  for (size_t n = 0; n < kBleuOrders; ++n) logs += std::log(std::max(right_[n], 1e-15) / std::max(all_[n], 1e-9));
  const double brevity = all_[0] > nearest_length_ ? 1 : std::exp(1 - nearest_length_ / all_[0]);
  return 100 * brevity * std::exp(logs / static_cast<double>(kBleuOrders));
}

double ReferenceScores::nist() const {
  double information[kNistOrders] = {};
  for (const Hit& hit : hits_) {
    const double before = hit.order == 0 ? reference_words_
                                         : at(reference_grams_[hit.order - 1], hit.gram.substr(0, hit.gram.rfind(' ')));
    information[hit.order] += hit.count * std::log2(before / at(reference_grams_[hit.order], hit.gram));
  }
  double sum = 0;
  for (size_t n = 0; n < kNistOrders; ++n) sum += information[n] / (all_[n] == 0 ? 1 : all_[n]);
  const double ratio = all_[0] / mean_length_, beta = -std::log(0.5) / (std::log(1.5) * std::log(1.5));
  return sum * (ratio >= 1 ? 1 : std::exp(-beta * std::log(ratio) * std::log(ratio)));
}

double ReferenceScores::cider() const {
  constexpr double kSigma = 6;
  std::map<std::string, double> texts_with;  // in a reference
  for (const Text& t : texts_) {
    std::set<std::string> there;
    for (const auto& reference : t.references)
      for (const Counts& counts : reference)
        for (const auto& [gram, count] : counts) there.insert(gram);
    for (const std::string& gram : there) texts_with[gram] += 1;
  }
  const double all = std::log(static_cast<double>(count()));
  const auto weighed = [&](Counts counts) {
    for (auto& [gram, value] : counts) value *= all - std::log(std::max(1.0, at(texts_with, gram)));
    return counts;
  };
  const auto norm = [](const Counts& counts) {
    double squares = 0;
    for (const auto& [gram, value] : counts) squares += value * value;
    return std::sqrt(squares);
  };
  const auto pairs_of = [](const std::vector<Counts>& grams) {  // the length that pycocoevalcap means
    double pairs = 0;
    for (const auto& [gram, value] : grams[1]) pairs += value;
    return pairs;
  };
  double sum = 0;
  for (const Text& t : texts_) {
    double of_text = 0;
    for (size_t n = 0; n < kCiderOrders; ++n) {
      const Counts text = weighed(t.grams[n]);
      for (const auto& grams : t.references) {
        const Counts reference = weighed(grams[n]);
        double likeness = 0;
        for (const auto& [gram, value] : text) {
          const double wanted = at(reference, gram);
          likeness += std::min(value, wanted) * wanted;
        }
        const double norms = norm(text) * norm(reference), off = pairs_of(t.grams) - pairs_of(grams);
        if (norms != 0) likeness /= norms;
        of_text += likeness * std::exp(-off * off / (2 * kSigma * kSigma));
      }
    }
    sum += 10 * of_text / static_cast<double>(kCiderOrders) / static_cast<double>(t.references.size());
  }
  return sum / static_cast<double>(count());
}

}  // namespace lowland
