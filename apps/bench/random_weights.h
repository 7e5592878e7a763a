// Random weights for a model that is only timed.
#pragma once
#include "nn/model.h"

namespace lowland::apps {

// A million normal numbers, again and again, which takes no time at the size of any model. Norms and biases as they are
// born; adapters as in training.
void fill_random(nn::Model& model, double std);

}  // namespace lowland::apps
