// merge: base + s B A as a folder of its own, for programs that know nothing of adapters. Alike in all apps.
#pragma once
#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "models/hub/peft_adapter.h"

namespace lowland::apps {

// What a family adds: its base prefix ("roberta") or how its weights were renamed, and config.json for the merged
// model, given the original text.
struct MergeFamily {
  std::string base_prefix;
  Rename rename;  // absent: names are today's
  std::function<std::string(const std::string& config_json, const std::string& file, const AdapterCard& card,
                            const LoadedAdapter& adapter)>
      config;
};

// Reads the original files, adds s B A in f32, rounds once to each tensor's own dtype and keeps the sharding; a
// task head of the adapter replaces the base's or is added. All other files of the folder are copied. Throws
// Error on a result that is not finite, and on an adapter that does not fit. `out` appears whole or not at all.
void merge_adapter(const std::string& model, const std::string& adapter, const std::string& out,
                   const MergeFamily& family);

void add_merge(CLI::App& app, const MergeFamily& family);

}  // namespace lowland::apps
