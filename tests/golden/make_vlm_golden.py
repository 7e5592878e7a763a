#!/usr/bin/env python3
"""Writes tests/golden/vlm_tiny/: a tiny random CLIP image classifier and a tiny random LLaVA, two LoRA adapters of the
latter, and what they compute.

    python make_vlm_golden.py [OUT]      (torch, transformers, peft, safetensors)

Everything is computed by transformers and peft in float64 from weights and pixels that are exact in float32, one example
at a time, without padding; Lowland's packed rows must give the same numbers. Norms and rotary angles as in
make_llama_golden.py. vlm_tiny/README.md tells the tensors' names.
"""
import json
import os
import shutil
import sys

import peft
import torch
import transformers
from make_llama_golden import Golden, exact_norms, next_tokens, pack, rewrite_base_name, scatter_parameters, versions_of
from safetensors.torch import save_file

SEED, VOCAB, IMAGE = 20250611, 40, 39
STEPS, LR = 20, 1e-2
SIDE = 9
VISION = dict(hidden_size=8, intermediate_size=12, num_hidden_layers=3, num_attention_heads=2, image_size=SIDE, patch_size=3,
              projection_dim=8)
TEXT = dict(vocab_size=VOCAB, hidden_size=12, intermediate_size=14, num_hidden_layers=2, num_attention_heads=2, head_dim=4,
            num_key_value_heads=1, max_position_embeddings=96, rms_norm_eps=1e-5)
PATCHES = 9
# Images of each example, and its text before, between and after them.
BATCH = [[5], [4, 3], [2, 3, 1, 4]]
TRAIN = [[[3, 6], [7]], [[2, 2, 5], [4, 4]], [[6], [5]], [[1, 1, 1, 9], [3, 2]]]


def exact_rope(model):
    rotary = model.model.language_model.rotary_emb
    f = rotary.inv_freq.float().double()  # rounded once

    def forward(x, position_ids):
        angle = position_ids[..., None].double() * f
        both = torch.cat((angle, angle), dim=-1)
        return both.cos().to(x.dtype), both.sin().to(x.dtype)
    rotary.forward = forward


def gradients(model):
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad and p.grad is not None}


def make_classifier(out, versions):
    os.makedirs(out)
    torch.manual_seed(SEED)
    config = transformers.CLIPConfig(vision_config=dict(VISION, hidden_act="gelu"), id2label={0: "cat", 1: "dog", 2: "owl"},
                                     label2id=dict(cat=0, dog=1, owl=2), text_config=dict(bos_token_id=0, eos_token_id=0))
    model = transformers.CLIPForImageClassification(config).eval()
    scatter_parameters(model)
    model.save_pretrained(out)
    model = model.double()
    golden = Golden()
    labels = torch.tensor([2, 0, 1])
    golden.put("labels", labels.to(torch.int32))
    for name, side in (("same", SIDE), ("large", 15), ("small", 6)):
        pixels = torch.randn(3, 3, side, side).float()
        golden.put(name + "/pixels", pixels)
        model.zero_grad()
        result = model(pixels.double(), interpolate_pos_encoding=True, output_hidden_states=True)
        loss = torch.nn.functional.cross_entropy(result.logits, labels)
        loss.backward()
        golden.put(name + "/logits", result.logits)
        golden.put(name + "/loss", loss.reshape(1))
        if name == "same":
            for i, h in enumerate(result.hidden_states):
                golden.put(f"same/hidden_{i}", h.flatten(0, 1).float())
            golden.put("same/pooled", model.vision_model(pixels.double()).pooler_output)
        grads = gradients(model)
        for n, g in grads.items():
            if name == "same" or "position" in n:
                golden.put(f"{name}/grad/{n}", g.float())
    save_file(golden.tensors, os.path.join(out, "golden.safetensors"), metadata={"written_by": json.dumps(versions)})


def examples(shapes, gen):
    """Ids with PATCHES image tokens an image, pixels (images, 3, SIDE, SIDE) or None."""
    out = []
    for pieces in shapes:
        parts, images = [], len(pieces) - 1
        for i, n in enumerate(pieces):
            parts.append(torch.randint(3, IMAGE, (n,), generator=gen))
            if i < images:
                parts.append(torch.full((PATCHES,), IMAGE))
        pixels = torch.randn(images, 3, SIDE, SIDE, generator=gen).float() if images else None
        out.append((torch.cat(parts), pixels))
    return out


def targets_of(batch, gen):
    """The next token of about half of the rows whose next token is text."""
    out = next_tokens([ids for ids, _ in batch], gen)
    for t in out:
        t[t == IMAGE] = -100
    return out


def put_batch(golden, prefix, suffix, batch, targets):
    ids, cu = pack([ids for ids, _ in batch])
    golden.put(f"{prefix}/ids{suffix}", ids)
    golden.put(f"{prefix}/cu_seqlens{suffix}", cu)
    golden.put(f"{prefix}/targets{suffix}", torch.cat(targets).to(torch.int32))
    pixels = [p for _, p in batch if p is not None]
    if pixels:
        golden.put(f"{prefix}/pixels{suffix}", torch.cat(pixels))
    golden.put(f"{prefix}/images{suffix}", torch.tensor([0 if p is None else len(p) for _, p in batch], dtype=torch.int32))


def run(model, batch, targets):
    model.zero_grad()
    logits = []
    for ids, pixels in batch:
        more = {} if pixels is None else dict(pixel_values=pixels.double())
        logits.append(model(input_ids=ids[None], **more).logits[0])
    flat, wanted = torch.cat(logits), torch.cat(targets)
    keep = wanted != -100
    loss = torch.nn.functional.cross_entropy(flat[keep], wanted[keep])
    loss.backward()
    return flat.detach(), loss.detach(), gradients(model)


def adapt(model, targets, out, name):
    config = peft.LoraConfig(r=2, lora_alpha=4, target_modules=targets, lora_dropout=0.0, task_type="CAUSAL_LM")
    adapted = peft.get_peft_model(model, config)
    with torch.no_grad():
        for n, p in adapted.named_parameters():
            if "lora_" in n:
                p.copy_((0.3 * torch.randn(p.shape)).float().double())
    folder = os.path.join(out, name)
    adapted.float().save_pretrained(folder)
    os.remove(os.path.join(folder, "README.md"))
    rewrite_base_name(os.path.join(folder, "adapter_config.json"), "llava")
    return adapted.double()


def train(model, golden, gen):
    batches = []
    for k, shapes in enumerate(TRAIN):
        batch = examples(shapes, gen)
        targets = targets_of(batch, gen)
        batches.append((batch, targets))
        put_batch(golden, "train", f"_{k}", batch, targets)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=LR, weight_decay=0.0)
    losses = []
    for step in range(STEPS):
        losses.append(run(model, *batches[step % len(batches)])[1])
        optimizer.step()
    golden.put("train/losses", torch.stack(losses))


def make_llava(out, versions):
    os.makedirs(out)
    torch.manual_seed(SEED)
    gen = torch.Generator().manual_seed(SEED)
    config = transformers.LlavaConfig(vision_config=transformers.CLIPVisionConfig(**VISION),
                                      text_config=transformers.LlamaConfig(**TEXT), image_token_index=IMAGE)
    model = transformers.LlavaForConditionalGeneration(config).eval()
    scatter_parameters(model)
    model.save_pretrained(out)
    os.remove(os.path.join(out, "generation_config.json"))
    batch = examples(BATCH, gen)
    targets = targets_of(batch, gen)
    golden = Golden()
    put_batch(golden, "batch", "", batch, targets)
    model = model.double()
    exact_norms(model)
    exact_rope(model)
    pixels = golden.tensors["batch/pixels"].double()
    features = model.model.get_image_features(pixels, vision_feature_layer=-2,
                                              vision_feature_select_strategy="default").pooler_output
    golden.put("projected", torch.cat(list(features)).float())
    full = run(model, batch, targets)
    golden.put_run("full", full)
    adapted = adapt(model, r".*language_model.*\.q_proj", out, "adapter")
    golden.put_run("lora", run(adapted, batch, targets))
    train(adapted, golden, gen)
    wide = adapt(adapted.unload(), r".*(language_model.*\.down_proj|vision_tower.*\.v_proj|projector\.linear_2)", out, "wide")
    golden.put_run("wide", run(wide, batch, targets))
    save_file(golden.tensors, os.path.join(out, "golden.safetensors"), metadata={"written_by": json.dumps(versions)})


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "vlm_tiny")
    torch.set_num_threads(1)
    for name, make in (("classifier", make_classifier), ("llava", make_llava)):
        shutil.rmtree(os.path.join(out, name), ignore_errors=True)
        make(os.path.join(out, name), {"seed": str(SEED), **versions_of()})
    for folder, _, files in os.walk(out):
        print(folder, {f: os.path.getsize(os.path.join(folder, f)) for f in files})


if __name__ == "__main__":
    main()
