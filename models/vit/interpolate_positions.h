// Position embeddings for images of another size: the grid of learnt positions resampled, as a linear map, so that a
// matmul interpolates and its backward trains the learnt ones.
#pragma once
#include <cstdint>
#include <vector>

namespace lowland {

// The matrix M (1 + to^2, 1 + from^2), row-major, with M table = the positions of a grid of to x to patches, given
// those of from x from; row 0 is the class token's. Along each side
//   y_i = sum_k w(k - f) x_(clamp(floor(u) + k)),  k = -1 .. 2      u = (i + 1/2) from / to - 1/2,  f = u - floor(u)
//   w(t) = (a+2)|t|^3 - (a+3)|t|^2 + 1 for |t| <= 1,  a|t|^3 - 5a|t|^2 + 8a|t| - 4a for |t| < 2       a = -3/4
// the bicubic interpolation of transformers' interpolate_pos_encoding: no antialiasing, edges repeated.
// paper      Keys 1981, doi:10.1109/TASSP.1981.1163711
std::vector<double> interpolate_positions(int64_t from, int64_t to);

}  // namespace lowland
