#!/usr/bin/env python3
"""Times the LoRA training step of LLaVA-1.5-7B's shapes in PyTorch + peft on a GPU (random weights), as bench does.

    bench_vlm_gpu.py --program build/bin/lowland-vlm      Lowland's bench first, then PyTorch, and the ratios
    bench_vlm_gpu.py --compile eager                      PyTorch alone, eager alone
    bench_vlm_gpu.py --device cpu --model vlm-small --batch 1 --steps 5 --warmup 2 ...    tried without a GPU, in f32

A step, in both: the frozen vision tower over this step's images (once, whatever the method), the frozen projector, the
language model's forward under bf16 autocast of bf16 base weights, backward, clipping to 1, fused AdamW, zero_grad. r 16
on all projections of the language model, adapters in f32, loss on the second half of each sample's text. Attention is
sdpa. Both must train as many numbers. Lowland makes each batch and sends its pixels within the step; PyTorch's lie on
the GPU.

Each line of JSON is one timing; with --program the last holds the ratios: samples/s to the faster of PyTorch's, and
time and memory of eflat-lora to lora's.
"""
import argparse
import json
import math
import os
import subprocess
import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from timing import gpu_figures, print_gpu

TOWERS = {  # hidden, ffn, layers, heads, pixels a side, of a patch
    "llava-1.5-7b": (1024, 4096, 24, 16, 336, 14),
    "vlm-small": (768, 3072, 12, 12, 224, 32),
}
LANGUAGE = {  # hidden, ffn, layers, heads
    "llava-1.5-7b": (4096, 11008, 32, 32),
    "vlm-small": (768, 2048, 12, 12),
}
IMAGE, VOCABULARY = 32000, 32064
TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", choices=sorted(TOWERS), default="llava-1.5-7b")
    p.add_argument("--batch", type=int, default=4, help="samples in a step")
    p.add_argument("--length", type=int, default=128, help="tokens of text in a sample, behind its image's")
    p.add_argument("--rank", type=int, default=16)
    p.add_argument("--target-share", type=float, default=0.5)
    p.add_argument("--compile", choices=["both", "eager", "default", "reduce-overhead"], default="both",
                   help="both: eager, then default")
    p.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    p.add_argument("--steps", type=int, default=12)
    p.add_argument("--warmup", type=int, default=4)
    p.add_argument("--program", metavar="LOWLAND_VLM")
    p.add_argument("--library-path", metavar="PATH", help="LD_LIBRARY_PATH of the program, where PyTorch has another")
    return p.parse_args()


def dtype_name(args):
    return "f32" if args.device == "cpu" else "bf16"


def image_tokens(args):
    *_, side, patch = TOWERS[args.model]
    return (side // patch) ** 2


def shape(args):
    return f"{args.batch} x ({image_tokens(args)} + {args.length})"


def lowland(args):
    """The lines of Lowland's bench, by method. They are printed as they are."""
    command = [args.program, "bench", "--preset", args.model, "--methods", "lora,eflat-lora", "--rank", args.rank,
               "--alpha", 2 * args.rank, "--targets", "all-linear", "--tower", "frozen", "--projector", "frozen",
               "--batch", args.batch, "--length", args.length, "--target-share", args.target_share,
               "--steps", args.steps, "--warmup", args.warmup, "--device", args.device, "--dtype", dtype_name(args),
               "--json"]
    env = dict(os.environ, LD_LIBRARY_PATH=args.library_path) if args.library_path else None
    out = subprocess.run([str(word) for word in command], env=env, stdout=subprocess.PIPE, text=True)
    if out.returncode != 0:
        sys.exit(f"{args.program} bench failed, exit code {out.returncode}")
    print(out.stdout, end="", flush=True)
    return {line["method"]: line for line in map(json.loads, out.stdout.splitlines())}


def make_config(name):
    hidden, ffn, layers, heads, side, patch = TOWERS[name]
    vision = CLIPVisionConfig(hidden_size=hidden, intermediate_size=ffn, num_hidden_layers=layers,
                              num_attention_heads=heads, image_size=side, patch_size=patch)
    hidden, ffn, layers, heads = LANGUAGE[name]
    text = LlamaConfig(vocab_size=VOCABULARY, hidden_size=hidden, intermediate_size=ffn, num_hidden_layers=layers,
                       num_attention_heads=heads, max_position_embeddings=4096, use_cache=False)
    return LlavaConfig(vision_config=vision, text_config=text, image_token_index=IMAGE,
                       image_seq_length=(side // patch) ** 2)


def make_model(args):
    config = make_config(args.model)
    config._attn_implementation = "sdpa"
    torch.manual_seed(1)
    torch.set_default_dtype(torch.float32 if args.device == "cpu" else torch.bfloat16)
    with torch.device(args.device):
        model = LlavaForConditionalGeneration(config)
    torch.set_default_dtype(torch.float32)
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=args.rank, lora_alpha=2 * args.rank,
                                             lora_dropout=0.0, target_modules=TARGETS))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return model.to(args.device).train()


def make_batch(args):
    image, side = image_tokens(args), TOWERS[args.model][4]
    ids = torch.randint(0, IMAGE, (args.batch, image + args.length), device=args.device)
    ids[:, :image] = IMAGE
    labels = ids.clone()
    # As many targets as Lowland has. It learns the next token of each sample's last rows, so also one behind the last;
    # transformers shifts the labels itself.
    labels[:, :image + math.ceil((1 - args.target_share) * args.length)] = -100
    pixels = torch.rand(args.batch, 3, side, side, device=args.device)
    return {"input_ids": ids, "pixel_values": pixels, "labels": labels}


def peers(args):
    """PyTorch's lines, each printed when it is there: compiling takes minutes."""
    torch._dynamo.config.capture_scalar_outputs = True  # else a check of the image tokens splits the graph in two
    model = make_model(args)
    batches = [make_batch(args) for _ in range(4)]
    tokens = args.batch * (image_tokens(args) + args.length)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    for mode in ["eager", "default"] if args.compile == "both" else [args.compile]:
        try:
            figures = gpu_figures(model, batches, args, autocast=args.device == "cuda", mode=mode)
        except RuntimeError as error:  # out of memory, or what the compiler does not take: the other mode counts then
            print(f"peft {mode} failed: {str(error)[:300]}", flush=True)
            continue
        yield print_gpu(figures, tokens, method="peft " + mode, preset=args.model, dtype=dtype_name(args),
                        shape=shape(args), image_tokens=image_tokens(args), trained=trained)


def ratios(args, ours, theirs):
    lora, eflat, peer = ours["lora"], ours["eflat-lora"], max(theirs, key=lambda line: line["tokens_per_s"])
    for key in ("shape", "dtype", "trained"):
        if lora[key] != peer[key]:
            sys.exit(f"not the same work: {key} is {lora[key]} in {args.program}, {peer[key]} in PyTorch")
    tokens = image_tokens(args) + args.length
    out = {"samples_per_s_ratio": round(lora["tokens_per_s"] / peer["tokens_per_s"], 3),
           "eflat_time_ratio": round(eflat["time_ratio"], 4), "eflat_memory_ratio": round(eflat["memory_ratio"], 5),
           "samples_per_s": round(lora["tokens_per_s"] / tokens, 3),
           "peer_samples_per_s": round(peer["tokens_per_s"] / tokens, 3), "peer": peer["method"]}
    if peer["peak_bytes"]:
        out["peak_ratio"] = round(lora["peak_bytes"] / peer["peak_bytes"], 3)
    return {**out, "tower_in_step": True}


def main():
    args = arguments()
    ours = lowland(args) if args.program else None  # before PyTorch holds memory of the GPU
    theirs = list(peers(args))
    if not theirs:
        sys.exit("PyTorch made no step")
    if ours:
        print(json.dumps(ratios(args, ours, theirs)))


if __name__ == "__main__":
    main()
