#!/usr/bin/env python3
"""Writes tests/golden/classifiers/NAME/: an adapter with a head for three classes on the tiny decoders of llama_tiny and
gpt2_tiny, and what the two compute; and classifiers/score, a whole model that gives one number.

    python make_classifier_golden.py [OUT]      (torch, transformers, peft, safetensors)

Computed by transformers' *ForSequenceClassification and peft in float64 as make_llama_golden.py tells, one sequence at a
time. Padded to the right and masked, in one batch, they give the same (checked here, but for phi3, whose frequencies
follow the longest text of a batch). The tensors:
    batch/ids, cu_seqlens, labels     packed sequences, a class of each; batch/several: (S, 3), 1 where a label applies
    lora/logits, loss, grad/NAME      with the adapter: (S, 3), mean cross-entropy, its gradients by the adapter's names
    lora/several                      mean loss of problem_type multi_label_classification
    train/ids_K, cu_seqlens_K, labels_K, losses
                                      twenty AdamW steps, batch K = step mod 4
score/golden.safetensors: batch/ids, cu_seqlens, numbers; logits (S, 1); loss of problem_type regression.

words_NAME/, of the masked-LM heads of roberta_tiny, bert_tiny and distilbert_tiny: an adapter and
    batch/ids, cu_seqlens, masks, words, labels   where each text has its mask; an id for each class
    logits (S, 3), loss, grad/NAME    of the words' logits at the mask, and the mean cross-entropy over them
"""
import json
import os
import shutil
import sys

import peft
import torch
import transformers
from make_llama_golden import CONFIGS, LENGTHS, LR, SEED, STEPS, TRAIN_LENGTHS, Golden, exact_norms, exact_rope, \
    exact_softmax, pack, plain, random_sequences, rewrite_base_name, scatter_parameters, versions_of
from safetensors.torch import save_file

LABELS = 3
TARGETS = {"llama": ["q_proj", "v_proj"], "qwen2": ["q_proj", "up_proj"], "qwen3": ["k_proj", "o_proj"],
           "phi3": ["qkv_proj", "down_proj"], "gemma2": ["q_proj", "down_proj"], "gemma3": ["v_proj", "gate_proj"],
           "gpt2": ["c_attn", "c_fc"]}


def exact(model):
    """Float64 throughout, where it is not float64 anyway."""
    if model.config.model_type != "gpt2":
        exact_norms(model)
        exact_rope(model)
    return model


def logits_of(model, seqs):
    return torch.cat([model(input_ids=s[None]).logits for s in seqs])


def check_padding(model, seqs, logits):
    longest = max(len(s) for s in seqs)
    ids = torch.stack([torch.nn.functional.pad(s, (0, longest - len(s))) for s in seqs])
    mask = torch.stack([torch.nn.functional.pad(torch.ones_like(s), (0, longest - len(s))) for s in seqs])
    difference = float((model(input_ids=ids, attention_mask=mask).logits - logits).abs().max())
    print("  padded against one by one:", difference)
    assert difference < 1e-9


def problem_loss(model, seqs, labels, problem):
    """By transformers' own loss function: of each sequence, then the mean."""
    inner = model.get_base_model() if isinstance(model, peft.PeftModel) else model
    inner.config.problem_type = problem
    losses = [inner(input_ids=s[None], labels=want[None]).loss for s, want in zip(seqs, labels)]
    return torch.stack(losses).mean()


def steps(model, golden, gen):
    batches = []
    for k, lengths in enumerate(TRAIN_LENGTHS):
        seqs, labels = random_sequences(lengths, gen), torch.randint(0, LABELS, (len(lengths),), generator=gen)
        batches.append((seqs, labels))
        ids, cu = pack(seqs)
        golden.put(f"train/ids_{k}", ids)
        golden.put(f"train/cu_seqlens_{k}", cu)
        golden.put(f"train/labels_{k}", labels.to(torch.int32))
    params = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(params, lr=LR, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    losses = []
    for step in range(STEPS):
        seqs, labels = batches[step % len(batches)]
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits_of(model, seqs), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach().double())
    golden.put("train/losses", torch.stack(losses))


def with_random_pairs(model, config, base_name, out):
    """The model with pairs of random numbers, saved as peft saves them."""
    adapted = peft.get_peft_model(model, config)
    with torch.no_grad():
        for n, p in adapted.named_parameters():
            if p.requires_grad:
                p.copy_(0.3 * torch.randn(p.shape))
    adapted.save_pretrained(out)
    os.remove(os.path.join(out, "README.md"))
    rewrite_base_name(os.path.join(out, "adapter_config.json"), base_name)
    return adapted


def make(name, base, out, versions):
    print(name)
    torch.manual_seed(SEED)
    gen = torch.Generator().manual_seed(SEED)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=LABELS, pad_token_id=0, attn_implementation="eager", dtype=torch.float32).eval()
    config = peft.LoraConfig(r=3, lora_alpha=6, target_modules=TARGETS[name], lora_dropout=0.0, task_type="SEQ_CLS",
                             fan_in_fan_out=name == "gpt2", modules_to_save=["score"])
    adapted = with_random_pairs(model, config, os.path.basename(base), out)
    adapted = exact(adapted.get_base_model()) and adapted.double().eval()
    golden, seqs = Golden(), random_sequences(LENGTHS, gen)
    labels = torch.randint(0, LABELS, (len(seqs),), generator=gen)
    several = torch.randint(0, 2, (len(seqs), LABELS), generator=gen)
    ids, cu = pack(seqs)
    for key, value in {"ids": ids, "cu_seqlens": cu, "labels": labels, "several": several}.items():
        golden.put("batch/" + key, value.to(torch.int32))
    logits = logits_of(adapted, seqs)
    if name != "phi3":
        check_padding(adapted, seqs, logits)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    one = problem_loss(adapted, seqs, labels, "single_label_classification")
    assert abs(float(one - loss)) < 1e-12
    golden.put("lora/logits", logits)
    golden.put("lora/loss", loss.reshape(1))
    golden.put("lora/several",
               problem_loss(adapted, seqs, several.double(), "multi_label_classification").reshape(1))
    for n, p in adapted.named_parameters():
        if p.grad is not None:
            golden.put("lora/grad/" + plain(n).replace("modules_to_save.", ""), p.grad.float())
    steps(adapted, golden, gen)
    save_file(golden.tensors, os.path.join(out, "golden.safetensors"), metadata=versions)


def make_score(out, versions):
    torch.manual_seed(SEED + 1)
    gen = torch.Generator().manual_seed(SEED + 1)
    config = CONFIGS["qwen2"]()
    config.num_labels, config.pad_token_id, config.problem_type = 1, 0, "regression"
    model = transformers.Qwen2ForSequenceClassification(config).eval()
    scatter_parameters(model)
    model.save_pretrained(out)
    model = exact(model.double())
    golden, seqs = Golden(), random_sequences(LENGTHS, gen)
    numbers = torch.rand(len(seqs), generator=gen).double()
    ids, cu = pack(seqs)
    golden.put("batch/ids", ids)
    golden.put("batch/cu_seqlens", cu)
    golden.put("batch/numbers", numbers)
    golden.put("logits", logits_of(model, seqs))
    golden.put("loss", problem_loss(model, seqs, numbers, "regression").reshape(1))
    save_file(golden.tensors, os.path.join(out, "golden.safetensors"), metadata=versions)


def make_words(name, base, mask, out, versions):
    print("words", name)
    torch.manual_seed(SEED + 2)
    gen = torch.Generator().manual_seed(SEED + 2)
    model = transformers.AutoModelForMaskedLM.from_pretrained(base, attn_implementation="eager", dtype=torch.float32)
    pairs = ["q_lin", "v_lin"] if name == "distilbert" else ["query", "value"]
    config = peft.LoraConfig(r=2, lora_alpha=4, target_modules=pairs)
    adapted = with_random_pairs(model, config, name, out)
    adapted = adapted.double().eval()
    seqs = [torch.randint(5, 40, (n,), generator=gen) for n in (7, 3, 11, 5)]
    masks, words = torch.tensor([4, 0, 9, 2]), torch.tensor([17, 8, 30])
    labels = torch.randint(0, LABELS, (len(seqs),), generator=gen)
    for s, at in zip(seqs, masks):
        s[at] = mask
    golden = Golden()
    ids, cu = pack(seqs)
    for key, value in {"ids": ids, "cu_seqlens": cu, "masks": masks, "words": words, "labels": labels}.items():
        golden.put("batch/" + key, value.to(torch.int32))
    logits = torch.stack([adapted(input_ids=s[None]).logits[0, at, words] for s, at in zip(seqs, masks)])
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    golden.put("logits", logits)
    golden.put("loss", loss.reshape(1))
    for n, p in adapted.named_parameters():
        if p.grad is not None:
            golden.put("grad/" + plain(n), p.grad.float())
    save_file(golden.tensors, os.path.join(out, "golden.safetensors"), metadata=versions)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "classifiers")
    exact_softmax()
    torch.set_num_threads(1)
    shutil.rmtree(out, ignore_errors=True)
    versions = {"written_by": json.dumps({"seed": str(SEED), **versions_of()})}
    for name in TARGETS:
        base = os.path.join(here, "gpt2_tiny" if name == "gpt2" else os.path.join("llama_tiny", name))
        make(name, base, os.path.join(out, name), versions)
    make_score(os.path.join(out, "score"), versions)
    for name in ["roberta", "bert", "distilbert"]:
        make_words(name, os.path.join(here, name + "_tiny", "mlm"), 4, os.path.join(out, "words_" + name), versions)


if __name__ == "__main__":
    main()
