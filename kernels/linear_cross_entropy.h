// linear_cross_entropy: a language model's head and its loss, without logits that are ever whole. Composed of
// gather_rows, matmul, soft_cap and cross_entropy on chunks of rows; equals linear without bias, soft_cap where there
// is a cap, then cross_entropy: the oracle.
//   forward    logits = x W^T for a chunk of rows          loss += cross_entropy(logits, target)
//              W frozen: the chunk's logits become their gradient at once, and saved = dlogits W (dloss = 1)
//              with a cap c on the logits: logits = c tanh(x W^T / c), their gradient times 1 - (logits / c)^2
//   backward   W frozen: dx = dloss saved (the kernel below)
//              W trained: the chunk's logits again, then dx = dlogits W, dW += dlogits^T x
//   Rows whose target is ignore_index are in no chunk: they are not multiplied, their dx is zero.
// shapes     x, dx: (N, C)   W, dW: (V, C)   target: (N) i32   loss, dloss: (1); dW, loss, dloss in acc_t<T>
// saves      W frozen: (rows with a target, C); W trained: x
// writes     loss =   dx = or +=   dW +=
// numerics   as matmul and cross_entropy; the chunks' losses are added in their order, in acc_t<T>
// CUDA plan  the kernel below as elementwise.h; dloss is read on the device
#pragma once
#include "kernels/cross_entropy.h"
#include "kernels/frozen_matmul.h"
#include "kernels/gather_rows.h"
#include "kernels/soft_cap.h"

// clang-format off
LL_KERNELS(
// dx = dloss saved, n elements; dx may equal saved
template <class T> void linear_cross_entropy_backward(Ctx&, T* dx, const T* saved, const acc_t<T>* dloss, int64_t n);
)
