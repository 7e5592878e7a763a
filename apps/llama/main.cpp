// lowland-llama: fine-tune, evaluate, generate with and measure Llama-style checkpoints.
#include "apps/common/compare.h"
#include "apps/common/flags.h"
#include "apps/llama/verbs.h"

int main(int argc, char** argv) {
  using namespace lowland::apps;
  return run_program(argc, argv, "Fine-tune Llama-style models with LoRA, EFlat-LoRA and their relatives",
                     [](CLI::App& app) {
                       add_inspect(app);
                       add_pretrain(app);
                       add_finetune(app);
                       add_evaluate(app);
                       add_generate(app);
                       add_chat(app);
                       add_merge(app);
                       add_probe(app);
                       add_compare(app);
                       add_bench(app);
                     });
}
