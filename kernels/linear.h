// linear: y = x W^T + b. Composed of matmul and bias; this header has no kernels of its own.
//   forward    y = x W^T, then y += b                    (bias.h says why in this order)
//   backward   dx = dy W      dW = dy^T x      db = sum_n dy      each only if it is asked for
// shapes     x, dx: (N, M)   W, dW: (O, M)   b, db: (O)   y, dy: (N, O)
// saves      x where W is trained, else nothing
// writes     y =   dx, dW = or += (beta of the sink)   db +=
#pragma once
#include "kernels/bias.h"
#include "kernels/matmul.h"
