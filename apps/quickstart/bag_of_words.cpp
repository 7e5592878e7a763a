#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "apps/quickstart/corpus.h"

namespace lowland::quickstart {
namespace {

using Counts = std::vector<std::pair<size_t, double>>;  // word, how often

// Lower-cased runs of letters, as word ids; unknown words are added or left out.
Counts count_words(const std::string& text, std::map<std::string, size_t>& ids, bool add) {
  std::map<size_t, double> counts;
  std::string word;
  const auto take = [&] {
    if (word.empty()) return;
    const auto found = add ? ids.emplace(word, ids.size()).first : ids.find(word);
    if (found != ids.end()) counts[found->second] += 1;
    word.clear();
  };
  for (const char c : text) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      word += static_cast<char>(c | 0x20);
    } else {
      take();
    }
  }
  take();
  return {counts.begin(), counts.end()};
}

// Multinomial logistic regression: minimises sum of log-losses + 1/2 |W|^2 (biases free) by Nesterov's method.
class LogisticRegression {
 public:
  LogisticRegression(int64_t words, int64_t classes)
      : words_(words), classes_(classes), w_((words + 1) * classes), ahead_(w_) {}

  void fit(const std::vector<Counts>& x, const std::vector<int>& y) {
    double bound = 1;  // of the curvature: half the largest eigenvalue of X^T X, under its trace, plus the penalty
    for (const Counts& row : x)
      for (const auto& [word, count] : row) bound += 0.5 * count * count;
    bound += 0.5 * static_cast<double>(x.size());
    double momentum = 1;
    for (int step = 0; step < 4000; ++step) {
      const std::vector<double> g = gradient(x, y);
      const double next = 0.5 * (1 + std::sqrt(1 + 4 * momentum * momentum)), push = (momentum - 1) / next;
      double largest = 0;
      for (size_t i = 0; i < w_.size(); ++i) {
        const double moved = ahead_[i] - g[i] / bound;
        largest = std::max(largest, std::abs(g[i]));
        ahead_[i] = moved + push * (moved - w_[i]);
        w_[i] = moved;
      }
      momentum = next;
      if (largest < 1e-6) break;
    }
    ahead_ = w_;
  }

  int predict(const Counts& row) const {
    const std::vector<double> s = scores(row);
    return static_cast<int>(std::max_element(s.begin(), s.end()) - s.begin());
  }

 private:
  std::vector<double> scores(const Counts& row) const {
    std::vector<double> s(ahead_.begin() + words_ * classes_, ahead_.end());
    for (const auto& [word, count] : row)
      for (int64_t c = 0; c < classes_; ++c) s[c] += count * ahead_[word * classes_ + c];
    return s;
  }

  std::vector<double> gradient(const std::vector<Counts>& x, const std::vector<int>& y) const {
    std::vector<double> g(ahead_);
    std::fill(g.begin() + words_ * classes_, g.end(), 0.0);
    for (size_t i = 0; i < x.size(); ++i) {
      std::vector<double> p = scores(x[i]);
      const double top = *std::max_element(p.begin(), p.end());
      double sum = 0;
      for (double& v : p) sum += v = std::exp(v - top);
      for (int64_t c = 0; c < classes_; ++c) {
        const double d = p[c] / sum - (y[i] == c ? 1.0 : 0.0);
        g[words_ * classes_ + c] += d;
        for (const auto& [word, count] : x[i]) g[word * classes_ + c] += d * count;
      }
    }
    return g;
  }

  int64_t words_, classes_;
  std::vector<double> w_, ahead_;  // (words + 1, classes), the last row the biases; ahead_: where gradients are taken
};

}  // namespace

double bag_of_words_accuracy(const std::vector<Example>& train, const std::vector<Example>& held_out) {
  std::map<std::string, size_t> ids;
  std::vector<Counts> x;
  std::vector<int> y;
  int classes = 0;
  for (const Example& e : train) {
    x.push_back(count_words(e.text, ids, true));
    y.push_back(e.label);
    classes = std::max(classes, e.label + 1);
  }
  LogisticRegression model(ids.size(), classes);
  model.fit(x, y);
  size_t right = 0;
  for (const Example& e : held_out) right += model.predict(count_words(e.text, ids, false)) == e.label ? 1 : 0;
  return static_cast<double>(right) / static_cast<double>(held_out.size());
}

}  // namespace lowland::quickstart
