// What a GPT-2 says of its files and adapters, and the activations that its configuration may name.
#include <algorithm>
#include <iterator>

#include "models/decoder/tied_head.h"
#include "models/gpt2/gpt2.h"
#include "models/hub/family.h"

namespace lowland {
namespace {

constexpr const char* kEmbedding = "transformer.wte";

constexpr std::pair<const char*, Activation> kActivations[] = {{"gelu_new", ops::gelu_tanh},
                                                               {"gelu_pytorch_tanh", ops::gelu_tanh},
                                                               {"gelu_fast", ops::gelu_tanh},
                                                               {"gelu", ops::gelu},
                                                               {"relu", ops::relu}};

}  // namespace

Activation gpt2_activation(const std::string& name) {
  const auto* found =
      std::find_if(std::begin(kActivations), std::end(kActivations), [&](const auto& a) { return name == a.first; });
  return found == std::end(kActivations) ? nullptr : found->second;
}

std::string gpt2_activation_names() {
  std::string names;
  for (const auto& a : kActivations)
    names += (names.empty() ? "" : &a + 1 == std::end(kActivations) ? " and " : ", ") + std::string(a.first);
  return names;
}

HubFamily gpt2_family(const Gpt2Config& config) {
  HubFamily family;
  family.base_prefix = "transformer";
  family.default_targets = "c_attn";
  family.tied = config.tie_word_embeddings ? kEmbedding : "";
  family.task_type = "CAUSAL_LM";
  family.outline = [prefix = family.base_prefix](const std::string& folder, LoadedAdapter& adapter) {
    const std::unique_ptr<DecoderConfig> of_folder = decoder_config_of(folder);
    settle_tied_head(*of_folder, folder, prefix, {}, kEmbedding);
    fit_to_adapter(*of_folder, adapter, kEmbedding);
    return of_folder->new_model();
  };
  return family;
}

const char* Gpt2Config::embedding() const { return kEmbedding; }
HubFamily Gpt2Config::family() const { return gpt2_family(*this); }
std::unique_ptr<Decoder> Gpt2Config::new_model() const { return std::make_unique<Gpt2>(*this); }

}  // namespace lowland
