// lowland-roberta: fine-tune, evaluate and measure RoBERTa checkpoints.
#include "apps/common/compare.h"
#include "apps/common/flags.h"
#include "apps/roberta/verbs.h"

int main(int argc, char** argv) {
  using namespace lowland::apps;
  return run_program(argc, argv, "Fine-tune RoBERTa with LoRA, EFlat-LoRA and their relatives", [](CLI::App& app) {
    add_pretrain(app);
    add_finetune(app);
    add_evaluate(app);
    add_predict(app);
    add_merge(app);
    add_probe(app);
    add_compare(app);
    add_inspect(app);
    add_bench(app);
  });
}
