// How near texts are to several wanted ones each, as the E2E challenge measures it.
//   bleu      0 to 100, of all texts together, 13a's words in lower case, the length of the nearest reference. Equal to
//             e2e-metrics' pymteval; to sacrebleu's corpus_bleu without smoothing. Paper: Papineni et al. 2002
//   nist      of all texts together, 1- to 5-grams. Equal to e2e-metrics' pymteval. Paper: Doddington 2002
//   meteor    METEOR 1.5 with exact and stem matching (apps/metrics/meteor.h), of all texts together. Papers on E2E
//             give it with synonyms and paraphrases as well, which is more
//   rouge_l   mean over texts of F of the best precision and the best recall, beta 1.2. Paper: Lin 2004
//   cider     CIDEr-D, sigma 6. Equal, as rouge_l, to pycocoevalcap's. Paper: Vedantam et al. 2015, arXiv:1411.5726
// meteor, rouge_l and cider read the same words without the signs that pycocoevalcap takes off.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "apps/metrics/meteor.h"

namespace lowland {

class ReferenceScores {
 public:
  // references: at least one
  void add(const std::string& text, const std::vector<std::string>& references);
  int64_t count() const { return static_cast<int64_t>(texts_.size()); }
  // REQUIRES count() > 0.
  double bleu() const;
  double nist() const;
  double meteor() const { return meteor_.score(); }
  double rouge_l() const { return rouge_ / static_cast<double>(count()); }
  double cider() const;

 private:
  static constexpr size_t kBleuOrders = 4, kNistOrders = 5, kCiderOrders = 4;
  using Words = std::vector<std::string>;
  using Counts = std::map<std::string, double>;  // of n-grams, words joined by spaces
  struct Text {
    std::vector<Counts> grams;                    // by order
    std::vector<std::vector<Counts>> references;  // of each reference
  };
  struct Hit {
    size_t order;
    std::string gram;
    double count;
  };
  void add_ngrams(const Words& text, const std::vector<Words>& references);

  double right_[kBleuOrders] = {}, all_[kNistOrders] = {};
  double nearest_length_ = 0, mean_length_ = 0, reference_words_ = 0;
  Counts reference_grams_[kNistOrders];
  std::vector<Hit> hits_;
  MeteorCounts meteor_;
  double rouge_ = 0;
  std::vector<Text> texts_;  // for cider, which weighs n-grams by the texts whose references have them
};

}  // namespace lowland
