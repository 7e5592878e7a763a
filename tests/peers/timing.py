"""What the timing scripts share: a step's milliseconds on the CPU and on a GPU, and the faster of two attentions."""
import json
import statistics
import time

import torch


def timed(step, batch):
    start = time.perf_counter()
    step(batch)
    return 1000 * (time.perf_counter() - start)


def faster_attention(trainer, batch):
    """Two steps of each after one warm-up step. trainer(attention) gives a function that makes a step."""
    best = {}
    for attention in ("eager", "sdpa"):
        step = trainer(attention)
        step(batch)
        best[attention] = min(timed(step, batch) for _ in range(2))
        print(f"trial {attention}: {best[attention]:.0f} ms", flush=True)
    return min(best, key=best.get)


def adamw_step(model, **options):
    """Forward, backward, clipping to 1, AdamW, zero_grad. `model` gives an output with a loss."""
    params = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(params, lr=2e-4, weight_decay=0.0, **options)

    def step(batch, forward=model):
        forward(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


# The ways to compute on a CPU that a script is told by --dtype: f32; for bf16 both that PyTorch has, weights in f32 under
# autocast and weights in bf16.
PEERS = {"f32": ["f32"], "bf16": ["autocast", "bf16-weights"]}


def in_dtype(model, how):
    """The model, not yet under peft, as a peer of that name holds it."""
    return model.to(torch.bfloat16) if how == "bf16-weights" else model


def cpu_step(step, how):
    """A step as adamw_step gives it, in that way."""
    if how != "autocast":
        return step

    def under_autocast(batch):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            step(batch)

    return under_autocast


def gpu_figures(model, batches, args, dynamic=None, autocast=True, mode=None):
    """Milliseconds of args.steps steps after args.warmup, and the peak of PyTorch's allocator over those that count.

    mode: eager, or how torch.compile is told to compile; args.compile if it is not given. On the CPU, where a script is
    only tried, there is no peak.
    """
    on_gpu = next(model.parameters()).is_cuda
    mode = mode or args.compile
    step = adamw_step(model, fused=True)
    forward = model if mode == "eager" else torch.compile(model, mode=None if mode == "default" else mode,
                                                          dynamic=dynamic)

    def in_bf16(**batch):
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=autocast):
            return forward(**batch)

    def wait():
        if on_gpu:
            torch.cuda.synchronize()

    times = []
    for n in range(args.warmup + args.steps):
        if n == args.warmup and on_gpu:
            torch.cuda.reset_peak_memory_stats()
        wait()
        begin = time.perf_counter()
        step(batches[n % len(batches)], in_bf16)
        wait()
        if n >= args.warmup:
            times.append((time.perf_counter() - begin) * 1e3)
    times.sort()
    return {"step_ms": statistics.median(times), "step_ms_p10": times[len(times) // 10],
            "step_ms_p90": times[-1 - len(times) // 10], "mean_ms": statistics.mean(times),
            "peak_bytes": torch.cuda.max_memory_allocated() if on_gpu else None, "n": len(times),
            "torch": torch.__version__, "gpu": torch.cuda.get_device_name() if on_gpu else None}


def print_gpu(figures, tokens, **about):
    """One line: what was timed, its figures, and real tokens a second. Returns it."""
    line = {**about, **figures, "tokens_per_s": tokens / figures["mean_ms"] * 1e3}
    del line["mean_ms"]
    print(json.dumps(line), flush=True)
    return line
