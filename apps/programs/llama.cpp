// lowland-llama: fine-tune, evaluate, generate with and measure Llama-style checkpoints.
#include "apps/verbs/program.h"

int main(int argc, char** argv) {
  using namespace lowland::apps;
  return run_program(argc, argv, llama_app(),
                     {add_inspect, add_pretrain, add_finetune, add_evaluate, add_generate, add_chat, add_merge,
                      add_export, add_convert, add_probe, add_compare, add_sweep, add_report, add_plane, add_bench});
}
