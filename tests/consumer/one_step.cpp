#include <cstdio>
#include "engine/autograd.h"
#include "models/hub/adapter.h"
#include "models/roberta/family.h"
#include "models/roberta/load_weights.h"
#include "optim/method.h"
using namespace lowland;

int main(int, char** argv) {
  Context context;  // the CPU and all its cores
  Roberta model(RobertaConfig::from_folder(argv[1]), RobertaHead::classification);
  const HubFamily family = roberta_family();
  const AdapterSettings lora{.rank = 8, .alpha = 16, .targets = "query,value"};
  attach_adapter(model, lora, family);  // and trains the head, whole
  model.materialise(context, DType::f32);
  WeightMap weights = open_weights(argv[1], family);
  load_weights(model, weights, 42);  // 42: the seed of A, and of a head that the folder lacks
  const auto method = optim::make_method("eflat-lora", model.arena(), {});
  const nn::Rows rows = nn::pack(context, {{{0, 45, 31, 2}, 0, {0}}, {{0, 7, 2}, 1, {0}}});  // two texts
  const Tensor labels = Tensor::from<int32_t>(context, {2}, {1, 0});
  Tensor loss;
  {
    const auto view = method->training_view();  // B reads as B + E
    const Tensor logits = model.forward(rows, {.training = true, .seed = 42, .step = 0});  // (2, labels)
    loss = ops::cross_entropy(logits, labels, {.scale = 0.5});  // the mean of two
    context.tape().backward(loss);
  }
  method->step(2e-4, 0.05, loss);  // learning rate, rho; B and not B + E is trained and saved
  save_adapter(argv[2], collect_adapter(model, lora, family, base_of(weights)));
  std::printf("loss %.4f\n", loss.item());
}
