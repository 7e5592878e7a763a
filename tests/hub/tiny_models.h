// The tiny models of tests/golden, built as a program builds them, and numbers to train by.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "engine/autograd.h"
#include "models/decoder/load_weights.h"
#include "models/gpt2/gpt2.h"
#include "models/hub/adapter.h"
#include "models/llama/family.h"
#include "models/llama/llama.h"
#include "models/roberta/family.h"
#include "models/roberta/load_weights.h"
#include "nn/init.h"
#include "tests/hub/hub_fixture.h"

namespace lowland::test {

inline std::string tiny(const std::string& name) { return std::string(LL_SOURCE_DIR) + "/tests/golden/" + name; }

// Decoders of every kind.
inline constexpr const char* kLlamas[] = {"llama_tiny/llama", "llama_tiny/mistral", "llama_tiny/qwen2",
                                          "llama_tiny/qwen3", "llama_tiny/phi3",    "llama_tiny/gemma2",
                                          "llama_tiny/gemma3"};

inline std::unique_ptr<Roberta> tiny_roberta(const std::string& folder) {
  return std::make_unique<Roberta>(RobertaConfig::from_folder(folder), RobertaHead::classification);
}
inline std::unique_ptr<Llama> tiny_llama(const std::string& folder) {
  return std::make_unique<Llama>(LlamaConfig::from_folder(folder));
}

inline std::unique_ptr<Gpt2> tiny_gpt2(const std::string& folder) {
  return std::make_unique<Gpt2>(Gpt2Config::from_json(read_file(folder + "/config.json"), folder));
}

// Memory, and the base's weights; seed: of A, and of a head that the folder lacks.
template <class M> void fill(M& model, const std::string& folder, const HubFamily& family, uint64_t seed) {
  model.materialise(cpu(), DType::f32);
  WeightMap weights = open_weights(folder, family);
  load_weights(model, weights, seed);
}

// Of two sequences, at their first and, of a decoder, last rows.
template <class M> std::vector<float> logits_of(const M& model) {
  const NoGrad guard(cpu());
  const bool causal = std::is_base_of_v<Decoder, M>;
  const nn::Rows rows = nn::pack(cpu(), {{{0, 45, 31, 2, 17}, 0, {causal ? 4 : 0}}, {{0, 7, 2}, 1, {causal ? 2 : 0}}});
  return model.forward(rows, nn::Mode::evaluation()).template to_vector<float>();
}

// As if trained: every number of the arena is another one. Pairs become large enough to show.
inline void disturb(nn::Model& model) {
  for (const nn::ArenaSlot& slot : model.arena().slots())
    nn::init_uniform(model.arena().master(slot.name), 0.3, nn::init_key(7, slot.name));
}

}  // namespace lowland::test
