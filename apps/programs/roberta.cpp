// lowland-roberta: fine-tune, evaluate and measure RoBERTa, BERT and DistilBERT checkpoints.
#include "apps/verbs/program.h"

int main(int argc, char** argv) {
  using namespace lowland::apps;
  return run_program(argc, argv, roberta_app(),
                     {add_pretrain, add_finetune, add_evaluate, add_predict, add_merge, add_probe, add_compare,
                      add_sweep, add_report, add_plane, add_inspect, add_bench});
}
