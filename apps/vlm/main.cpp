// lowland-vlm: pretrain, fine-tune, evaluate and talk to vision-language models of LLaVA-1.5's kind.
#include "apps/common/compare.h"
#include "apps/common/flags.h"
#include "apps/vlm/verbs.h"

int main(int argc, char** argv) {
  using namespace lowland::apps;
  return run_program(argc, argv, "Fine-tune vision-language models with LoRA, EFlat-LoRA and their relatives",
                     [](CLI::App& app) {
                       add_inspect(app);
                       add_pretrain(app);
                       add_finetune(app);
                       add_evaluate(app);
                       add_predict(app);
                       add_chat(app);
                       add_merge(app);
                       add_probe(app);
                       add_compare(app);
                       add_bench(app);
                     });
}
