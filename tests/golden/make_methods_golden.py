#!/usr/bin/env python3
"""Writes methods.json: a two-layer network trained for 50 steps by each method beside those of make_eflat_golden.py.

Everything is double precision and literal: perturbations are n x m matrices that are added to W. tests/optim/
methods_golden_test.cpp starts from the same numbers and must follow. Layout:
  settings  {sizes, rank, s, lr, wd, steps, samples, pinv_rcond}
  layers    [{W0 (n, m), A (r, m), B (n, r), A2 (r2, m)}]        A2: of bi-lora, whose B2 begins at zero
  batches   [{x (N, m), y (N)}], one after another, then from the first again
  runs      [{name, method, options, optimizer, steps: [{t, loss, rho, A, B}]}], of some steps; A and B as they are after

    make_methods_golden.py      writes the file beside this script
"""
import json
import math
import pathlib

import numpy as np

from make_eflat_golden import ADAM, Net, flat_perturbation

KEPT = (1, 2, 5, 20, 50)


def norm(*arrays):
    return math.sqrt(sum((x * x).sum() for x in arrays))


class SideNet(Net):
    """Net at W0 + s B A + extra, and the gradients of W itself."""

    def gradients_at(self, pairs, extra, x, y):
        moved = Net([w + e for w, e in zip(self.frozen, extra)], self.s)
        return moved.gradients(pairs, x, y)

    def weight_gradients(self, pairs, extra, x, y):
        whole = [w + self.s * b @ a + e for w, (a, b), e in zip(self.frozen, pairs, extra)]
        ones = [(np.eye(w.shape[1]), np.zeros(w.shape)) for w in whole]  # dL/dB of a pair with A = 1 and s = 1
        return [gb for _, gb in Net(whole, 1.0).gradients(ones, x, y)[1]]


def rho_at(o, t):
    progress = (t - 1) / o["steps"]
    return dict(constant=lambda r: r, cosine=lambda r: r * (1 + math.cos(math.pi * progress)) / 2,
                linear=lambda r: r * (1 - progress), rising=lambda r: r * (1 - math.cos(math.pi * t / o["steps"])) / 2,
                )[o["schedule"]](o["rho"])


class Rule:
    """What differs between methods. read: where the gradient is taken, as an n x m matrix for each layer."""

    def __init__(self, net, pairs, o):
        self.net, self.o, self.zero = net, o, [np.zeros_like(w) for w in net.frozen]

    def gradients(self, pairs, moments, x, y, t):
        return self.net.gradients_at(pairs, self.zero, x, y)

    def before_update(self, pairs, grads, t):
        pass


class BiLora(Rule):
    def __init__(self, net, pairs, o):
        super().__init__(net, pairs, o)
        self.pairs = [(a.copy(), np.zeros((w.shape[0], a.shape[0]))) for a, w in zip(o["A2"], net.frozen)]

    def gradients(self, pairs, moments, x, y, t):
        s = self.net.s
        extra = [s * b @ a for a, b in self.pairs]
        loss, grads = self.net.gradients_at(pairs, extra, x, y)
        d_w = self.net.weight_gradients(pairs, extra, x, y)
        self.grads = [(s * b.T @ d, s * d @ a.T) for d, (a, b) in zip(d_w, self.pairs)]
        return loss, grads

    def before_update(self, pairs, grads, t):
        eta = self.o["lr"] * self.o["ratio"]
        self.pairs = [(a + eta * ga, b + eta * gb) for (a, b), (ga, gb) in zip(self.pairs, self.grads)]
        c = norm(*[self.net.s * b @ a for a, b in self.pairs])
        if c > self.o["rho_t"]:
            shrink = math.sqrt(self.o["rho_t"] / c)
            self.pairs = [(a * shrink, b * shrink) for a, b in self.pairs]


class Bar(Rule):
    def before_update(self, pairs, grads, t):
        step = self.o["rho_t"] * self.o["lr"]
        for (a, b), (ga, gb) in zip(pairs, grads):
            if self.o["by_gradient"]:
                grow, shrink = (b, a) if norm(gb) >= norm(ga) else (a, b)
            else:
                grow, shrink = (a, b) if norm(b) >= norm(a) else (b, a)
            grow *= 1 + step
            shrink *= 1 - step


def mix64(z):
    z = (z + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def philox(key, c):
    k, c = [key % 2**32, key >> 32], list(c)
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(q >> 32) ^ c[1] ^ k[0], q % 2**32, (p >> 32) ^ c[3] ^ k[1], p % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


class Random(Rule):
    SEED = 7

    def gradients(self, pairs, moments, x, y, t):
        extra = []
        for layer, (w, (a, b)) in enumerate(zip(self.net.frozen, pairs)):
            key = mix64(mix64(mix64(self.SEED) ^ (t - 1)) ^ layer)
            z = np.zeros_like(w)
            for i in range(w.shape[0]):
                for j in range(w.shape[1]):
                    z[i, j] = normal(key, (i, 0, j // 4, 0), j % 4)
            lengths = np.linalg.norm(w + self.net.s * b @ a, axis=1, keepdims=True)
            extra.append(self.o["rho_t"] * lengths / math.sqrt(w.shape[1]) * z)
        return self.net.gradients_at(pairs, extra, x, y)


def normal(key, c, k):
    """Number k (0 to 3) of a block: kernels/weight_noise.h."""
    v = philox(key, c)[k // 2 * 2:][:2]
    radius, angle = math.sqrt(-2 * math.log(((v[0] >> 9) + 0.5) / 2**23)), 2 * math.pi * (v[1] >> 8) / 2**24
    return radius * (math.cos(angle) if k % 2 == 0 else math.sin(angle))


class Ivon(Rule):
    """The optimizer of arXiv 2402.17641. Places of A and B in the arena: those of one role one after another, B's and the
    first B at multiples of 16."""
    SEED, B1 = 5, 0.9

    def __init__(self, net, pairs, o):
        super().__init__(net, pairs, o)
        self.h = [[np.full_like(p, o["h0"]) for p in pair] for pair in pairs]
        self.m = [[np.zeros_like(p) for p in pair] for pair in pairs]
        self.places, at = [], 0
        for a, _ in pairs:
            self.places.append([at, None])
            at += a.size
        for place, (_, b) in zip(self.places, pairs):
            at = (at + 15) // 16 * 16
            place[1] = at
            at += b.size

    def gradients(self, pairs, moments, x, y, t):
        key = mix64(mix64(mix64(self.SEED) ^ (t - 1)) ^ 0x69766F6E)
        self.e = []
        for hs, places in zip(self.h, self.places):
            e = []
            for h, place in zip(hs, places):
                z = [normal(key, ((place + i) // 4, 0, 0, 0), (place + i) % 4) for i in range(h.size)]
                e.append(np.reshape(z, h.shape) / np.sqrt(self.o["ess"] * (h + self.o["wd"])))
            self.e.append(e)
        return self.net.gradients([(a + ea, b + eb) for (a, b), (ea, eb) in zip(pairs, self.e)], x, y)

    def update(self, pairs, grads, t):
        o, d = self.o, self.o["wd"]
        for pair, gs, es, hs, ms in zip(pairs, grads, self.e, self.h, self.m):
            for p, g, e, h, m in zip(pair, gs, es, hs, ms):
                f = o["ess"] * e * g * (h + d)
                m[:] = self.B1 * m + (1 - self.B1) * g
                h[:] = o["beta2"] * h + (1 - o["beta2"]) * f + (1 - o["beta2"]) ** 2 * (h - f) ** 2 / (2 * (h + d))
                step = (m / (1 - self.B1 ** t) + d * p) / (h + d)
                p -= o["lr"] * np.clip(step, -o["most"], o["most"])


class Msam(Rule):
    def gradients(self, pairs, moments, x, y, t):
        v = [m for pair in moments for m, _ in pair]
        length = norm(*v)
        by = -self.o["rho_t"] / length if length > 0 else 0.0
        moved = [tuple(p + by * m for p, (m, _) in zip(pair, mv)) for pair, mv in zip(pairs, moments)]
        return self.net.gradients(moved, x, y)


class Mgpo(Rule):
    gbar = None

    def gradients(self, pairs, moments, x, y, t):
        extra = []
        for k, ((a, b), ((ma, _), (mb, _))) in enumerate(zip(pairs, moments)):
            d = self.net.s * (mb @ a + b @ ma)
            by = self.o["rho_t"] * min(1 / self.gbar[k], 10.0) / norm(d) if norm(d) > 0 else 0.0
            extra.append(-by * d)
        return self.net.gradients_at(pairs, extra, x, y)

    def before_update(self, pairs, grads, t):
        lengths = [norm(self.net.s * (gb @ a + b @ ga)) for (a, b), (ga, gb) in zip(pairs, grads)]
        keep = self.o["keep"]
        self.gbar = lengths if t == 1 else [keep * old + (1 - keep) * new for old, new in zip(self.gbar, lengths)]


class Flat(Rule):
    """Algorithms 1 and 2 of arXiv 2508.00522 with radii by layer, or divided by the gradient's norm."""

    def perturbation(self, read, centre, grads):
        o = dict(self.o, rho_t=1.0, norm=self.o["ball"], pinv_rcond=1e-3, s=self.net.s)
        rho = self.o["rho_t"]
        if self.o.get("rho_max"):
            rho = min(rho / (norm(*[g for pair in grads for g in pair]) + 1e-12), self.o["rho_max"])
        radius = [norm(self.net.s * b @ a) if self.o.get("relative") else 1.0 for a, b in centre]
        return [rho * r * e for r, e in zip(radius, flat_perturbation(read, grads, o))]


class FlatLora(Flat):
    def gradients(self, pairs, moments, x, y, t):
        loss, grads = self.net.gradients(pairs, x, y)
        e = self.perturbation(pairs, pairs, grads)
        return loss, self.net.gradients([(a, b + d) for (a, b), d in zip(pairs, e)], x, y)[1]


class FunctionalSam(Flat):
    def passed(self, pairs, x, y, d_logits=None):
        """Loss, its gradient by the logits, and those of the pairs: under that gradient, or under one that is given."""
        (w1, w2), s = [w0 + self.net.s * b @ a for w0, (a, b) in zip(self.net.frozen, pairs)], self.net.s
        hidden = np.tanh(x @ w1.T)
        logits = hidden @ w2.T
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        rows = np.arange(len(y))
        own = (p - np.eye(p.shape[1])[y]) / len(y)
        d_logits = own if d_logits is None else d_logits
        d_w = [((d_logits @ w2) * (1 - hidden * hidden)).T @ x, d_logits.T @ hidden]
        return -np.log(p[rows, y]).mean(), own, [(s * b.T @ d, s * d @ a.T) for d, (a, b) in zip(d_w, pairs)]

    def gradients(self, pairs, moments, x, y, t):
        loss, d_logits, grads = self.passed(pairs, x, y)
        e = self.perturbation(pairs, pairs, grads)
        return loss, self.passed([(a, b + d) for (a, b), d in zip(pairs, e)], x, y, d_logits)[2]


class EflatLora(Flat):
    e = None

    def gradients(self, pairs, moments, x, y, t):
        e = self.e or [np.zeros_like(b) for _, b in pairs]
        self.read = [(a, b + d) for (a, b), d in zip(pairs, e)]
        return self.net.gradients(self.read, x, y)

    def before_update(self, pairs, grads, t):
        fresh = self.perturbation(self.read, pairs, grads)
        self.e = fresh if t == 1 else [0.1 * old + 0.9 * new for old, new in zip(self.e, fresh)]


def preconditioned(pairs, grads):
    def inverse(k):
        largest = np.linalg.eigvalsh(k).max()
        return np.linalg.inv(k + 1e-2 * largest * np.eye(len(k))) if largest > 0 else np.eye(len(k))
    return [(inverse(b.T @ b) @ ga, gb @ inverse(a @ a.T)) for (a, b), (ga, gb) in zip(pairs, grads)]


def run(name, method, rule, net, pairs, batches, options=None, optimizer=None, **settings):
    o = dict(settings)
    pairs = [(a.copy(), b.copy()) for a, b in pairs]
    moments = [[[np.zeros_like(p), np.zeros_like(p)] for p in pair] for pair in pairs]
    method_rule = rule(net, pairs, o)
    steps = []
    for t in range(1, o["steps"] + 1):
        batch = batches[(t - 1) % len(batches)]
        o["rho_t"] = rho_at(o, t)
        loss, grads = method_rule.gradients(pairs, moments, *batch, t)
        method_rule.before_update(pairs, grads, t)
        if (optimizer or {}).get("precondition"):
            grads = preconditioned(pairs, grads)
        if rule is Ivon:
            method_rule.update(pairs, grads, t)
        for pair, pair_grads, pair_moments in zip(pairs, grads, moments) if rule is not Ivon else ():
            for p, g, mv in zip(pair, pair_grads, pair_moments):
                mv[0] = ADAM["b1"] * mv[0] + (1 - ADAM["b1"]) * g
                mv[1] = ADAM["b2"] * mv[1] + (1 - ADAM["b2"]) * g * g
                p -= o["lr"] * o["wd"] * p
                p -= o["lr"] * (mv[0] / (1 - ADAM["b1"] ** t)) / (np.sqrt(mv[1] / (1 - ADAM["b2"] ** t)) + ADAM["eps"])
        if t in KEPT:
            steps.append(dict(t=t, loss=float(loss), rho=o["rho_t"], A=[a.tolist() for a, _ in pairs],
                              B=[b.tolist() for _, b in pairs]))
    return dict(name=name, method=method, options=options or {}, optimizer=optimizer or {}, steps=steps)


def main():
    rng = np.random.default_rng(11)
    o = dict(sizes=[7, 6, 4], rank=2, s=2.0, lr=1e-2, wd=0.01, steps=50, samples=5, pinv_rcond=1e-3)
    shapes = [(o["sizes"][i + 1], o["sizes"][i]) for i in (0, 1)]
    frozen = [rng.normal(size=s) / math.sqrt(s[1]) for s in shapes]
    pairs = [(rng.uniform(-1, 1, (o["rank"], m)) / math.sqrt(m), np.zeros((n, o["rank"]))) for n, m in shapes]
    second = [rng.uniform(-1, 1, (3, m)) / math.sqrt(m) for _, m in shapes]
    batches = [(rng.normal(size=(o["samples"], o["sizes"][0])), rng.integers(0, o["sizes"][2], o["samples"]))
               for _ in range(3)]
    net = SideNet(frozen, o["s"])
    base = dict(lr=o["lr"], wd=o["wd"], steps=o["steps"])

    def go(name, method, rule, options=None, optimizer=None, rho=0.05, schedule="constant", **more):
        return run(name, method, rule, net, pairs, batches, options, optimizer, **base, rho=rho, schedule=schedule, **more)

    runs = [
        go("bi-lora", "bi-lora", BiLora, {"rho": 0.05, "aux-rank": 3}, ratio=1.0, A2=second),
        go("bi-lora, faster and shrinking", "bi-lora", BiLora,
           {"rho": 0.2, "rho-schedule": "linear", "aux-rank": 3, "aux-lr-ratio": 30}, rho=0.2, schedule="linear",
           ratio=30.0, A2=second),
        go("lora-obar", "lora-obar", Bar, {"bar-alpha": 2}, rho=2.0, schedule="cosine", by_gradient=False),
        go("lora-nbar", "lora-nbar", Bar, {"bar-alpha": 0.5}, rho=0.5, schedule="cosine", by_gradient=True),
        go("flat-lora-random", "flat-lora-random", Random, {"sigma": 0.4}, rho=0.4, schedule="rising"),
        go("msam", "msam", Msam, {"rho": 0.3}, rho=0.3),
        go("lora-mgpo", "lora-mgpo", Mgpo, {"rho": 0.1, "gradient-beta": 0.8}, rho=0.1, keep=0.8),
        go("lora-functional-sam", "lora-functional-sam", FunctionalSam, {"rho": 0.3}, rho=0.3, ball="layer"),
        go("eflat-lora, relative radii", "eflat-lora", EflatLora, {"rho": 0.3, "rho-kind": "relative"}, rho=0.3,
           ball="layer", relative=True),
        go("flat-lora, relative radii and one norm", "flat-lora", FlatLora,
           {"rho": 0.2, "rho-kind": "relative", "norm": "global", "rho-schedule": "cosine"}, rho=0.2, schedule="cosine",
           ball="global", relative=True),
        go("eflat-lora, le-sam", "eflat-lora", EflatLora, {"rho-schedule": "le-sam", "rho-max": 0.07}, schedule="cosine",
           ball="layer", rho_max=0.07),
        go("flat-lora, le-sam", "flat-lora", FlatLora, {"rho-schedule": "le-sam", "rho-max": 0.07}, schedule="cosine",
           ball="layer", rho_max=0.07),
        go("lora by ivon", "lora", Ivon, optimizer={"ivon": dict(ess=400, h0=0.1, beta2=0.9, clip=0.4)}, ess=400, h0=0.1,
           beta2=0.9, most=0.4, rho=0.0),
        go("lora, preconditioned", "lora", Rule, optimizer={"precondition": True}, rho=0.0),
        go("eflat-lora, preconditioned", "eflat-lora", EflatLora, optimizer={"precondition": True}, ball="layer"),
    ]
    out = dict(settings=o, layers=[dict(W0=w.tolist(), A=a.tolist(), B=b.tolist(), A2=a2.tolist())
                                   for w, (a, b), a2 in zip(frozen, pairs, second)],
               batches=[dict(x=x.tolist(), y=y.tolist()) for x, y in batches], runs=runs)
    path = pathlib.Path(__file__).with_name("methods.json")
    path.write_text(json.dumps(out, separators=(",", ":")))
    print(path.name, path.stat().st_size, [r["steps"][-1]["loss"] for r in runs])


if __name__ == "__main__":
    main()
