// lowland-vlm: pretrain, fine-tune, evaluate and talk to vision-language models of LLaVA-1.5's kind.
#include "apps/verbs/program.h"

int main(int argc, char** argv) {
  using namespace lowland::apps;
  return run_program(argc, argv, vlm_app(),
                     {add_inspect, add_pretrain, add_finetune, add_evaluate, add_predict, add_chat, add_merge,
                      add_probe, add_compare, add_sweep, add_report, add_bench});
}
