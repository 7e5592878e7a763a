// The templates that are built in, texts of our own.
#pragma once
#include <string>
#include <vector>

namespace lowland {

struct BuiltInTemplate {
  std::string name, jinja;
  bool alternates = false, takes_system = true, needs_bos = false;
};

// Each is small; llama3.1, qwen2, mistral-v1 ... differ from their relatives by what is set in front.
const std::vector<BuiltInTemplate>& built_in_templates();

}  // namespace lowland
