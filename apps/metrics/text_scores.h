// How near generated texts are to the wanted ones.
//   exact_match  share of texts that are equal, blanks around them taken off
//   rouge_l      mean F1 of the longest common subsequence of words, equal to rouge_score's rougeL without stemmer:
//                words are runs of a-z and 0-9 in lower case. Paper: Lin 2004
//   bleu         0 to 100, of all texts together, equal to sacrebleu's corpus_bleu (tokenizer 13a, smoothing exp) with
//                one reference each. Paper: Papineni et al. 2002; Post 2018, arXiv:1804.08771
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lowland {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Of one text.
double rouge_l(std::string_view text, std::string_view wanted);
// As sacrebleu's tokenizer 13a cuts a text.
std::vector<std::string> words_13a(std::string_view text);

class TextScores {
 public:
  void add(const std::string& text, const std::string& wanted);
  int64_t count() const { return n_; }
  // REQUIRES count() > 0.
  double exact_match() const { return static_cast<double>(equal_) / static_cast<double>(n_); }
  double rouge_l() const { return rouge_ / static_cast<double>(n_); }
  double bleu() const;

 private:
  static constexpr size_t kOrders = 4;
  int64_t n_ = 0, equal_ = 0, length_ = 0, wanted_length_ = 0;
  double rouge_ = 0;
  std::array<int64_t, kOrders> right_{}, all_{};  // n-grams that are in the wanted text as well, and all
};

}  // namespace lowland
