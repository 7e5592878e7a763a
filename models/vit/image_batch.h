// Images among the packed rows of a micro-batch: what a vision tower takes, and where its rows go.
#pragma once
#include <vector>

#include "nn/rows.h"

namespace lowland {

// The images of one micro-batch.
struct ImageBatch {
  Tensor pixels;                 // (S, D, H, H), normalised; H is a multiple of the patch size
  std::vector<int32_t> example;  // of each image: the index of its example in the step
  std::vector<int32_t> number;   // of each image: which one of its example's images it is, from 0
  int64_t S() const { return pixels ? pixels.dim(0) : 0; }
};

// The images of a micro-batch and where they are in it. Either the batch of pixels, or features that a frozen tower
// gave before, is there; neither where no sample has an image.
struct PlacedImages {
  ImageBatch images;
  Tensor features;  // (I T, CV)
  Tensor rows;      // (I T) i32: the batch's rows that they fill, image by image
  nn::RowIds ids;   // (I T): example and position of those rows
  bool any() const { return rows.defined() && rows.numel() > 0; }
};

}  // namespace lowland
