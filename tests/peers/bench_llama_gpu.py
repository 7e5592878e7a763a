#!/usr/bin/env python3
"""Times the LoRA training step of Llama's published shapes in PyTorch + peft on a GPU (random weights), as bench does.

    bench_llama_gpu.py --model llama-3.1-8b --batch 2 --length 4096 --compile eager|default|reduce-overhead
    bench_llama_gpu.py ... --checkpointing                            activations recomputed, layer by layer

A step: forward under bf16 autocast of bf16 base weights, backward, clipping to 1, fused AdamW, zero_grad; r 16, alpha
32 on all projections, adapters in f32, loss on the second half of each sequence. Attention is sdpa. The weights are
drawn on the GPU. The last line of the output is one JSON object.
"""
import argparse

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from timing import gpu_figures, print_gpu

SHAPES = {  # hidden, ffn, layers, heads, kv heads, vocabulary, tied head
    "llama-110m": (768, 2048, 12, 12, 12, 32000, True),
    "llama-3.2-1b": (2048, 8192, 16, 32, 8, 128256, True),
    "llama-3.2-3b": (3072, 8192, 28, 24, 8, 128256, True),
    "llama-3.1-8b": (4096, 14336, 32, 32, 8, 128256, False),
    "llama-2-7b": (4096, 11008, 32, 32, 32, 32000, False),
}
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", choices=sorted(SHAPES), default="llama-3.1-8b")
    p.add_argument("--batch", type=int, default=2)
    p.add_argument("--length", type=int, default=4096)
    p.add_argument("--rank", type=int, default=16)
    p.add_argument("--target-share", type=float, default=0.5)
    p.add_argument("--compile", choices=["eager", "default", "reduce-overhead"], default="eager")
    p.add_argument("--checkpointing", action="store_true")
    p.add_argument("--steps", type=int, default=12)
    p.add_argument("--warmup", type=int, default=4)
    return p.parse_args()


def make_model(args):
    hidden, ffn, layers, heads, kv_heads, vocabulary, tied = SHAPES[args.model]
    config = LlamaConfig(vocab_size=vocabulary, hidden_size=hidden, intermediate_size=ffn, num_hidden_layers=layers,
                         num_attention_heads=heads, num_key_value_heads=kv_heads, tie_word_embeddings=tied,
                         max_position_embeddings=131072, use_cache=False)
    config._attn_implementation = "sdpa"
    torch.manual_seed(1)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    if args.checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=args.rank, lora_alpha=2 * args.rank,
                                             lora_dropout=0.0, target_modules=TARGETS))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return model.cuda().train(), vocabulary


def make_batch(args, vocabulary):
    ids = torch.randint(0, vocabulary, (args.batch, args.length + 1), device="cuda")
    labels = ids.clone()
    labels[:, :int((1 - args.target_share) * args.length) + 1] = -100
    # Lowland reads `length` rows and learns the next token of each; transformers shifts the labels itself.
    return {"input_ids": ids, "labels": labels}


def main():
    args = arguments()
    model, vocabulary = make_model(args)
    batches = [make_batch(args, vocabulary) for _ in range(4)]
    print_gpu(gpu_figures(model, batches, args), args.batch * args.length,
              method="peft " + args.compile + (" ckpt" if args.checkpointing else ""), preset=args.model, dtype="bf16",
              shape=f"{args.batch} x {args.length}")


if __name__ == "__main__":
    main()
