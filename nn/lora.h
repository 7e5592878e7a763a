// LoRA's configuration, in peft's terms. paper: Hu et al. 2021, arXiv:2106.09685; rsLoRA: Kalajdzievski 2023,
// arXiv:2312.03732.
#pragma once
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace lowland::nn {

struct LoraConfig {
  int64_t rank = 8;
  double alpha = 16;
  double dropout = 0;  // on the adapters' input
  bool rslora = false;
  bool dora = false;  // lengths of the adapted weights' rows are trained apart from their directions (kernels/dora.h)
  bool gaussian = false;  // A begins normal with deviation 1 / rank, else uniform
  // Which linear modules are adapted, by Hugging Face's path.
  std::function<bool(const std::string& module)> targets = nullptr;
  // Which output layers and embeddings are adapted: a rule for all linear modules does not mean them. Absent: none.
  std::function<bool(const std::string& module)> besides = nullptr;
  bool tie_pairs = false;  // an output layer that reads an embedding's weight reads its pair too

  // Rank and scale of a module, where they are not one for all.
  struct Size {
    int64_t rank = 0;
    double scale = 0;
  };
  std::function<Size(const std::string& module)> size = nullptr;

  Size size_of(const std::string& module) const {
    const auto r = static_cast<double>(rank);
    return size ? size(module) : Size{rank, alpha / (rslora ? std::sqrt(r) : r)};
  }
};

// The names of a pair in the arena: A (r, m) and B (n, r) of a weight (n, m).
struct LoraPair {
  std::string a, b;
};

}  // namespace lowland::nn
