// The verbs of lowland-vlm: each adds its subcommand with its flags.
#pragma once
#include <CLI/CLI.hpp>

namespace lowland::apps {

void add_pretrain(CLI::App& app);
void add_finetune(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_predict(CLI::App& app);
void add_chat(CLI::App& app);
void add_merge(CLI::App& app);
void add_probe(CLI::App& app);
void add_inspect(CLI::App& app);
void add_bench(CLI::App& app);

}  // namespace lowland::apps
