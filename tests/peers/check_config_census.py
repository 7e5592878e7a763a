"""Real configurations: what Lowland reads from them against what transformers makes of them.

Usage: python check_config_census.py READ_CONFIG FOLDER_OF_FOLDERS

READ_CONFIG: build/bin/read_config. Each folder has a config.json (and generation_config.json), or a
preprocessor_config.json. Of the model types that Lowland computes each must be accepted with transformers' number of
parameters, windows, tying, labels and rotary frequencies, and a shrunken copy with random weights must give transformers'
logits within 1e-4 of their largest; all others must be refused in one sentence. Prints a row for each; exit status 1 if
one differs.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import torch
import transformers
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

DECODERS = ("llama", "mistral", "qwen2", "qwen3", "phi3", "gemma2", "gemma3_text", "gpt2")
ENCODERS = ("roberta", "xlm-roberta", "camembert", "bert", "distilbert")
VISION = ("clip", "clip_vision_model", "llava")
IDS = [0, 5, 17, 3, 3, 60, 41, 9, 12, 2, 33, 8, 71, 2]
PROCESSORS = ("CLIP", "Llava", "ViT", "DeiT", "Siglip")


def read(program, folder, ids=()):
    done = subprocess.run([program, str(folder), *map(str, ids)], capture_output=True, text=True)
    if done.returncode != 0:
        return {"config.json": {"error": f"exit {done.returncode}: {done.stderr[-200:]}"}}
    return json.loads(done.stdout)


def theirs(config, kind):
    with torch.device("meta"):
        model = kind(config)
    model.tie_weights()
    return sum(p.numel() for p in {id(p): p for p in model.parameters()}.values())


def frequencies(config, length):
    rope = config.rope_parameters.get("full_attention", config.rope_parameters)
    if rope["rope_type"] in ("default", "linear"):
        dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        dim = int(dim * rope.get("partial_rotary_factor", 1))
        f = 1.0 / (rope["rope_theta"] ** (torch.arange(0, dim, 2, dtype=torch.float) / dim))
        return f / rope.get("factor", 1), 1.0
    return ROPE_INIT_FUNCTIONS[rope["rope_type"]](config, "cpu", seq_len=length)


def windows(config):
    window = getattr(config, "sliding_window", None) if config.model_type != "llama" else None
    kinds = ["sliding_attention"] * config.num_hidden_layers
    if config.model_type in ("qwen2", "qwen3", "gemma2", "gemma3_text"):
        kinds = config.layer_types
    return [window or 0 if kind == "sliding_attention" else 0 for kind in kinds]


def shrunken(raw):
    small = dict(raw, vocab_size=97, intermediate_size=48, num_hidden_layers=2, hidden_size=64, num_attention_heads=4)
    if raw["model_type"] == "distilbert":
        small.update(dim=64, n_layers=2, n_heads=4, hidden_dim=48)
    if raw["model_type"] == "gpt2":
        small = dict(raw, vocab_size=97, n_embd=64, n_layer=2, n_head=4, n_inner=48)
    small.pop("torch_dtype", None), small.pop("dtype", None), small.pop("id2label", None), small.pop("label2id", None)
    heads, kv = raw.get("num_attention_heads", 32), raw.get("num_key_value_heads")
    if kv:
        small["num_key_value_heads"] = max(1, 4 * kv // heads)
    if raw.get("head_dim"):
        small["head_dim"] = 16
    if raw.get("layer_types"):
        small["layer_types"] = raw["layer_types"][:2]
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if isinstance(raw.get(key), list) or (raw.get(key) or 0) >= 97:
            small[key] = 1
    return small


def logits_differ(program, raw, kind):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump(shrunken(raw), f)
        torch.manual_seed(1)
        config = transformers.AutoConfig.from_pretrained(folder)
        model = kind(config).float().eval()
        with torch.no_grad():
            for p in model.parameters():
                p.add_(0.05 * torch.randn_like(p))
            model.tie_weights()
            want = model(input_ids=torch.tensor([IDS])).logits[0]
        with tempfile.TemporaryDirectory() as saved:
            model.save_pretrained(saved)
            os.replace(os.path.join(saved, "model.safetensors"), os.path.join(folder, "model.safetensors"))
        got = read(program, folder, IDS)["config.json"]
        if "error" in got:
            return got["error"]
        worst = float((torch.tensor(got["logits"]).reshape(want.shape) - want).abs().max() / want.abs().max())
        return "" if worst < 1e-4 else f"logits of the shrunken copy differ by {worst:.1e}"


def check_model(program, folder, got):
    raw = json.loads((folder / "config.json").read_text())
    kind = raw.get("model_type", "none")
    if kind in VISION:  # its numbers are check_images.py's and the goldens' business
        return kind, "refused: " + got["error"] if "error" in got else "", "; ".join(got.get("notes", []))
    if kind not in DECODERS + ENCODERS:
        return kind, "" if "error" in got else "is accepted", got.get("error", "")
    if "error" in got:
        return kind, "refused: " + got["error"], ""
    config = transformers.AutoConfig.from_pretrained(folder)
    if kind in ENCODERS:
        network = transformers.MODEL_FOR_MASKED_LM_MAPPING[type(config)]
        wrong = [] if got["labels"] == [str(config.id2label[i]) for i in range(config.num_labels)] else ["labels"]
    else:
        network = transformers.MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
        wrong = []
    if kind in DECODERS and kind != "gpt2":
        wrong += [] if got["windows"] == windows(config) else ["windows"]
        for name, length in (("frequencies", 1), ("frequencies_longest", got["max_tokens"])):
            f, factor = frequencies(config, length)
            near = torch.allclose(torch.tensor(got[name]), f.float(), rtol=1e-6, atol=0)
            wrong += [] if near and abs(factor - got["attention_factor"]) < 1e-9 else [name]
        wrong += [] if abs(got["eps"] - config.rms_norm_eps) < 1e-12 else ["eps"]
    wrong += [] if got["tied"] == config.tie_word_embeddings else ["tied"]
    wrong += [] if got["same_config"] else ["the file is not kept"]
    wrong += [] if got["parameters"] == theirs(config, network) else ["parameters"]
    difference = logits_differ(program, raw, network)
    wrong += [difference] if difference else []
    return kind, ", ".join(wrong), f"{got['parameters']:,} parameters" + "".join("; " + n for n in got["notes"])


def check_processor(folder, got):
    raw = json.loads((folder / "preprocessor_config.json").read_text())
    kind = raw.get("image_processor_type", raw.get("feature_extractor_type", "CLIP"))
    known = kind.replace("ImageProcessor", "").replace("FeatureExtractor", "").replace("Fast", "") in PROCESSORS
    accepted = "error" not in got
    wrong = "" if known == accepted else "is accepted" if accepted else "refused: " + got["error"]
    return kind, wrong, got.get("error", got.get("says", "")) + "".join("; " + n for n in got.get("notes", []))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    bad = 0
    for folder in sorted(p for p in pathlib.Path(args.folder).iterdir() if p.is_dir()):
        got = read(args.program, folder)
        for file, result in got.items():
            if file == "config.json":
                kind, wrong, says = check_model(args.program, folder, result)
            elif file == "preprocessor_config.json":
                kind, wrong, says = check_processor(folder, result)
            else:
                kind, wrong, says = "generation", result.get("error", ""), "; ".join(result.get("notes", []))
            bad += bool(wrong)
            print(f"{folder.name} {kind:24} {'DIFFERS: ' + wrong if wrong else 'ok'}  {says}".replace(str(folder) + "/", ""))
    print(f"{bad} differ")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
