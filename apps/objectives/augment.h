// Pictures as they might have been: turned about and moved at random, so that a tower learns more than its training set
// shows. What is drawn is a function of seed, step and the picture's place in the step.
#pragma once
#include <cstdint>
#include <string>

namespace lowland::apps {

struct Augment {
  bool horizontal = false, vertical = false;  // mirrored, each for one picture in two
  int64_t shift = 0;                          // moved by up to so many pixels either way; edges are repeated

  bool any() const { return horizontal || vertical || shift > 0; }
};

// --flip none, horizontal or both, and --shift, for pictures of this side. Error, naming the flag.
Augment augment_of(const std::string& flip, int64_t shift, int64_t side);

// In place: values (3, side, side).
void augment_picture(float* values, int64_t side, const Augment& how, uint64_t seed, int64_t step, int64_t place);

}  // namespace lowland::apps
