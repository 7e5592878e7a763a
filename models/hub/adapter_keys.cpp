#include "models/hub/adapter_keys.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"

namespace lowland {
namespace {

// `key` in two where `part` is, if it is.
bool split_at(const std::string& key, const std::string& part, std::string& before, std::string& behind) {
  const size_t at = key.rfind(part);
  if (at == std::string::npos || at == 0) return false;
  before = key.substr(0, at);
  behind = key.substr(at + part.size());
  return true;
}

// NAME of NAME.weight; empty of anything else.
std::string name_before_weight(const std::string& rest) {
  const std::string tail = ".weight";
  return rest.size() > tail.size() && rest.ends_with(tail) ? rest.substr(0, rest.size() - tail.size()) : "";
}

void drop_all(std::string& key, const std::string& part) {
  for (size_t at = key.find(part); at != std::string::npos; at = key.find(part, at)) {
    if (at == 0 || key[at - 1] == '.')
      key.erase(at, part.size());
    else
      at += part.size();
  }
}

}  // namespace

std::string adapter_name_in(const std::vector<std::string>& keys, const std::string& file) {
  std::vector<std::string> names;
  std::string module, rest;
  for (const std::string& key : keys) {
    std::string name;
    for (const char* part : {".lora_A.", ".lora_B."})
      if (split_at(key, part, module, rest)) name = name_before_weight(rest);
    for (const char* part : {".lora_embedding_A.", ".lora_embedding_B."})
      if (split_at(key, part, module, rest)) name = rest;
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  LL_CHECK(names.size() <= 1, "{} holds several adapters ({}): save one of them by itself, with peft's save_pretrained",
           file, fmt::join(names, ", "));
  return names.empty() ? "" : names.front();
}

std::string plain_key(std::string key) {
  for (const char* wrapper : {"_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."})
    drop_all(key, wrapper);
  return key;
}

AdapterKey read_adapter_key(const std::string& key, const std::string& adapter) {
  using What = AdapterKey::What;
  AdapterKey out;
  std::string rest;
  const std::string named = adapter.empty() ? "default" : adapter;
  for (const auto& [part, what] : {std::pair{".lora_A.", What::lora_a}, {".lora_B.", What::lora_b}}) {
    if (!split_at(key, part, out.module, rest)) continue;
    if (rest == "weight" || rest == named + ".weight") out.what = what;
    return out;
  }
  for (const auto& [part, what] :
       {std::pair{".lora_embedding_A", What::table_a}, {".lora_embedding_B", What::table_b}}) {
    if (!split_at(key, part, out.module, rest)) continue;
    if (rest.empty() || rest == "." + named) out.what = what;
    return out;
  }
  if (split_at(key, ".lora_magnitude_vector", out.module, rest)) {  // a parameter in older versions of peft
    if (rest.empty() || rest == ".weight" || rest == "." + named || rest == "." + named + ".weight")
      out.what = What::magnitude;
    return out;
  }
  out.what = What::whole;
  const std::string wrapper = ".token_adapter.";
  if (split_at(key, wrapper, out.module, rest)) {
    out.name = out.module + ".weight";
    out.what = rest == "base_layer.weight"                                                     ? What::base
               : rest == "trainable_tokens_delta" || rest == "trainable_tokens_delta." + named ? What::tokens
                                                                                               : What::unknown;
    return out;
  }
  for (const auto& [part, what] : {std::pair{".base_layer.", What::base},
                                   {".original_module.", What::original},
                                   {".modules_to_save.", What::wrapped}}) {
    if (!split_at(key, part, out.module, rest)) continue;
    if (what == What::wrapped && rest.starts_with(named + ".")) rest = rest.substr(named.size() + 1);
    out.what = what;
    out.name = out.module + "." + rest;
    return out;
  }
  out.name = key;
  if (key.find("lora_") != std::string::npos) out.what = What::unknown;
  return out;
}

}  // namespace lowland
