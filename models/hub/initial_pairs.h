// Pairs that begin with a part of the base's weights, as peft's init_lora_weights pissa and olora: W = R + s B0 A0, and
// what is trained beside is R + s B A. They are saved as what they add to the base as it is, of twice the rank:
// s [B, -B0] [A; A0], as by peft's path_initial_model_for_weight_conversion.
//   pissa    the r largest singular values of W: B0 A0 = U_r (S_r / s) V_r^T, its root on either side
//   olora    the first r columns of Q and rows of R of W = Q R, by Householder's reflections
// paper      PiSSA: Meng et al. 2024, arXiv:2404.02948   OLoRA: Büyükakyüz 2024, arXiv:2406.01775
#pragma once
#include <string>
#include <vector>

#include "models/hub/peft_adapter.h"
#include "nn/model.h"

namespace lowland {

// pissa or olora.
bool takes_from_base(const std::string& init);

// Sets A and B of every pair by `init`, takes their product from the weights, and returns what they are now. REQUIRES
// the base's weights in the model. Throws Error on a pair of an embedding or of a tied output layer, on a rank beyond
// the matrix's sides, and on a scale that is not positive.
std::vector<LoraFactors> begin_with_base(nn::Model& model, const std::string& init);

// The adapter, whose pairs began as `initial`, as one of the base as it is.
void fit_to_whole_base(LoadedAdapter& adapter, const std::vector<LoraFactors>& initial);

}  // namespace lowland
