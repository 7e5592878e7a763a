// What a GPT-2 says of its files and adapters, and the activations that its configuration may name.
#include <algorithm>
#include <iterator>

#include "models/decoder/family.h"
#include "models/gpt2/gpt2.h"

namespace lowland {
namespace {

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

HubFamily gpt2_family(const Gpt2Config& config) { return decoder_family(config, "transformer", "c_attn"); }

std::string Gpt2Config::embedding() const { return "transformer.wte"; }
HubFamily Gpt2Config::family() const { return gpt2_family(*this); }
std::unique_ptr<Decoder> Gpt2Config::new_model() const { return std::make_unique<Gpt2>(*this); }

}  // namespace lowland
