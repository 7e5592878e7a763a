#!/usr/bin/env python3
"""Writes eflat_*.json: a two-layer network trained for a few steps by lora, lora-sam, flat-lora and eflat-lora.

Everything is double precision and literal: the perturbations are made from n x m matrices, and pseudo-inverses from
numpy's SVD with the cut-off rcond on the singular values. The C++ side (tests/eflat_replay.cpp) starts from the same
numbers and must follow every step. Layout of a file:
  settings  {rank, sizes, steps, s, rho, beta, lr, wd, norm, schedule, pinv_rcond, sam_norm, ...}
  layers    [{W0 (n, m), A (r, m), B (n, r)}]
  batches   [{x (N, m), y (N)}], one for each step
  runs      [{method, steps: [{loss, rho, A, B, E}]}], A, B and E as they are after the step

    make_eflat_golden.py        writes the files beside this script
"""
import json
import math
import pathlib

import numpy as np

ADAM = dict(b1=0.9, b2=0.999, eps=1e-8)


def inverse(x, rcond):
    u, sigma, vt = np.linalg.svd(x, full_matrices=False)
    keep = sigma > rcond * sigma.max(initial=0.0)
    return (vt[keep].T / sigma[keep]) @ u[:, keep].T


class Net:
    """tanh(x W1^T) W2^T with softmax cross-entropy, W = W0 + s B A."""

    def __init__(self, frozen, s):
        self.frozen, self.s = frozen, s

    def gradients(self, pairs, x, y):
        (w1, w2) = [w0 + self.s * b @ a for w0, (a, b) in zip(self.frozen, pairs)]
        hidden = np.tanh(x @ w1.T)
        logits = hidden @ w2.T
        logits = logits - logits.max(axis=1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        rows = np.arange(len(y))
        d_logits = np.exp(log_p)
        d_logits[rows, y] -= 1.0
        d_logits /= len(y)
        d_hidden = (d_logits @ w2) * (1.0 - hidden * hidden)
        d_w = [d_hidden.T @ x, d_logits.T @ hidden]
        grads = [(self.s * b.T @ d, self.s * d @ a.T) for d, (a, b) in zip(d_w, pairs)]
        return -log_p[rows, y].mean(), grads


def flat_perturbation(pairs, grads, o):
    estimates = [(gb @ inverse(a.T, o["pinv_rcond"]) + inverse(b.T, o["pinv_rcond"]) @ ga) / (2 * o["s"])
                 for (a, b), (ga, gb) in zip(pairs, grads)]                                    # Eq. 12
    norms = [math.sqrt((g * g).sum()) for g in estimates]
    if o["norm"] == "global":
        norms = [math.sqrt(sum(n * n for n in norms))] * len(norms)
    result = []
    for g, n, (a, b) in zip(estimates, norms, pairs):
        e_w = o["rho_t"] * g / n if n > 0 else 0 * g                                           # Eq. 13
        result.append(e_w @ inverse(a, o["pinv_rcond"]) / o["s"])                              # Eq. 15
    return result


def sam_perturbation(grads, o):
    norm = lambda arrays: math.sqrt(sum((g * g).sum() for g in arrays))
    joint = norm([g for pair in grads for g in pair])
    ball = lambda g: norm([g]) if o["sam_norm"] == "factor" else joint
    return [tuple(o["rho_t"] * g / ball(g) if ball(g) > 0 else 0 * g for g in pair) for pair in grads]


def rho_at(o, t):
    progress = (t - 1) / o["steps"]
    return o["rho"] * dict(constant=1.0, linear=1 - progress, cosine=(1 + math.cos(math.pi * progress)) / 2)\
        .get(o["schedule"], t ** -0.5)


def run(method, net, pairs, batches, o):
    pairs = [(a.copy(), b.copy()) for a, b in pairs]
    e = [np.zeros_like(b) for _, b in pairs]
    moments = [[[np.zeros_like(p), np.zeros_like(p)] for p in pair] for pair in pairs]
    steps = []
    for t, (x, y) in enumerate(batches, 1):
        o["rho_t"] = rho_at(o, t)
        read = [(a, b + d) for (a, b), d in zip(pairs, e)] if method == "eflat-lora" else pairs
        loss, grads = net.gradients(read, x, y)
        if method == "eflat-lora":
            fresh = flat_perturbation(read, grads, o)
            e = fresh if t == 1 else [(1 - o["beta"]) * old + o["beta"] * new for old, new in zip(e, fresh)]
        if method == "flat-lora":
            e = flat_perturbation(read, grads, o)
            _, grads = net.gradients([(a, b + d) for (a, b), d in zip(pairs, e)], x, y)
        if method == "lora-sam":
            d = sam_perturbation(grads, o)
            _, grads = net.gradients([(a + da, b + db) for (a, b), (da, db) in zip(pairs, d)], x, y)
        for pair, pair_grads, pair_moments in zip(pairs, grads, moments):
            for p, g, mv in zip(pair, pair_grads, pair_moments):
                mv[0] = ADAM["b1"] * mv[0] + (1 - ADAM["b1"]) * g
                mv[1] = ADAM["b2"] * mv[1] + (1 - ADAM["b2"]) * g * g
                mean = mv[0] / (1 - ADAM["b1"] ** t)
                root = np.sqrt(mv[1] / (1 - ADAM["b2"] ** t))
                p -= o["lr"] * o["wd"] * p
                p -= o["lr"] * mean / (root + ADAM["eps"])
        steps.append(dict(loss=float(loss), rho=o["rho_t"], A=[a.tolist() for a, _ in pairs],
                          B=[b.tolist() for _, b in pairs], E=[d.tolist() for d in e]))
    return dict(method=method, steps=steps)


def write(name, seed, sizes, rank, **changes):
    o = dict(seed=seed, sizes=sizes, rank=rank, samples=8, steps=6, s=2.0, rho=0.05, beta=0.9, lr=1e-2, wd=0.01,
             norm="layer", sam_norm="joint", schedule="constant", pinv_rcond=1e-3, **{})
    o.update(changes)
    rng = np.random.default_rng(seed)
    shapes = [(sizes[1], sizes[0]), (sizes[2], sizes[1])]
    frozen = [rng.normal(size=s) / math.sqrt(s[1]) for s in shapes]
    pairs = [(rng.uniform(-1, 1, (rank, m)) / math.sqrt(m), np.zeros((n, rank))) for n, m in shapes]
    batches = [(rng.normal(size=(o["samples"], sizes[0])), rng.integers(0, sizes[2], o["samples"]))
               for _ in range(o["steps"])]
    net = Net(frozen, o["s"])
    runs = [run(m, net, pairs, batches, dict(o)) for m in ("lora", "lora-sam", "flat-lora", "eflat-lora")]
    out = dict(settings=o, layers=[dict(W0=w.tolist(), A=a.tolist(), B=b.tolist()) for w, (a, b) in zip(frozen, pairs)],
               batches=[dict(x=x.tolist(), y=y.tolist()) for x, y in batches], runs=runs)
    path = pathlib.Path(__file__).with_name(f"eflat_{name}.json")
    path.write_text(json.dumps(out, separators=(",", ":")))
    print(path.name, path.stat().st_size)


if __name__ == "__main__":
    write("layer", 1, [12, 10, 5], 2)
    write("global", 2, [9, 11, 6], 3, norm="global", schedule="cosine", sam_norm="factor", s=0.5)
    write("rank1", 3, [7, 8, 4], 1, schedule="inv-sqrt", rho=0.2, beta=0.3, steps=8)
