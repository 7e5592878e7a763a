// The verbs: each adds its subcommand with its flags, whatever the family.
#pragma once
#include "apps/families/family.h"

namespace CLI {
class App;
}

namespace lowland::apps {

using AddVerb = void (*)(CLI::App& app, const Family& family);

void add_pretrain(CLI::App& app, const Family& family);
void add_finetune(CLI::App& app, const Family& family);
void add_evaluate(CLI::App& app, const Family& family);
void add_predict(CLI::App& app, const Family& family);
void add_generate(CLI::App& app, const Family& family);
void add_chat(CLI::App& app, const Family& family);
void add_merge(CLI::App& app, const Family& family);
void add_export(CLI::App& app, const Family& family);   // of lowland-llama, as the next
void add_convert(CLI::App& app, const Family& family);  // of lowland-llama
void add_probe(CLI::App& app, const Family& family);
void add_compare(CLI::App& app, const Family& family);
void add_sweep(CLI::App& app, const Family& family);
void add_plane(CLI::App& app, const Family& family);
void add_report(CLI::App& app, const Family& family);
void add_inspect(CLI::App& app, const Family& family);
void add_bench(CLI::App& app, const Family& family);

}  // namespace lowland::apps
