# Writes tests/golden/hub_adapters: two tiny Llamas, one with its head tied to the embedding, and adapters of them as peft
# saves them, with the logits that peft computes. Run from the repository's root: python tests/golden/make_adapter_golden.py
import json, os, shutil, warnings
import peft, torch, transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

warnings.filterwarnings("ignore")
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hub_adapters")
IDS = [[5, 9, 2, 31, 17]]
V, GROWN = 40, 44


def base(tied):
    return LlamaForCausalLM.from_pretrained(os.path.join(OUT, "tied" if tied else "apart"), dtype=torch.float32)


def logits(model):
    with torch.no_grad():
        return model.double().eval()(torch.tensor(IDS)).logits[0].flatten().tolist()


def disturb(model):  # everything that an adapter holds, so that none of it can be left out unseen
    done = set()
    for name, p in model.named_parameters():
        if p.requires_grad and p.data_ptr() not in done:
            done.add(p.data_ptr())
            torch.nn.init.normal_(p, std=0.3)


# name: (tied, keywords of LoraConfig, keywords of save_pretrained, rows of a resized vocabulary)
KINDS = {
    "head": (False, dict(target_modules=["q_proj", "lm_head"]), {}, 0),
    "head-tied": (True, dict(target_modules=["q_proj", "lm_head"]), {}, 0),
    "embedding": (False, dict(target_modules=["q_proj", "embed_tokens"], use_rslora=True), {}, 0),
    "embedding-tied": (True, dict(target_modules=["embed_tokens"], lora_alpha=5), {}, 0),
    "both": (False, dict(target_modules=["embed_tokens", "lm_head", "v_proj"], rank_pattern={"lm_head": 3},
                         alpha_pattern={"embed_tokens": 1}), {}, 0),
    "both-tied": (True, dict(target_modules=["embed_tokens", "lm_head"]), {}, 0),
    "ensured": (True, dict(target_modules=["q_proj", "lm_head"], ensure_weight_tying=True), {}, 0),
    "ensured-expression": (True, dict(target_modules=".*(q_proj|lm_head)", ensure_weight_tying=True), {}, 0),
    "ensured-whole": (True, dict(target_modules=["q_proj"], modules_to_save=["lm_head"], ensure_weight_tying=True), {}, 0),
    "whole-head-tied": (True, dict(target_modules=["q_proj"], modules_to_save=["lm_head"]), {}, 0),
    "whole-embedding-tied": (True, dict(target_modules=["q_proj"], modules_to_save=["embed_tokens"]), {}, 0),
    "whole-both-tied": (True, dict(target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"]), {}, 0),
    "norms": (False, dict(target_modules=["q_proj"], modules_to_save=["norm"]), {}, 0),
    "grown": (False, dict(target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"]),
              dict(save_embedding_layers=True), GROWN),
    "grown-tied": (True, dict(target_modules=["q_proj"], modules_to_save=["embed_tokens"]),
                   dict(save_embedding_layers=True), GROWN),
    "grown-plain": (False, dict(target_modules=["q_proj"]), dict(save_embedding_layers=True), GROWN),
    "grown-pair": (True, dict(target_modules=["q_proj", "embed_tokens"]), {}, GROWN),
    "layers": (False, dict(target_modules=["q_proj", "up_proj"], layers_to_transform=[1], exclude_modules=["layers.1.mlp.up_proj"]), {}, 0),
    "all-linear": (True, dict(target_modules="ALL-linear"), {}, 0),
    "unknown-name": (False, dict(target_modules=["q_proj", "v_porj", "c_attn"]), {}, 0),
}


def rename(path, change):
    file = os.path.join(path, "adapter_model.safetensors")
    save_file({change(k): v for k, v in load_file(file).items()}, file, metadata={"format": "pt"})


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    shape = dict(vocab_size=V, hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2,
                 num_key_value_heads=1, max_position_embeddings=32, bos_token_id=1, eos_token_id=2)
    for name, tied in (("apart", False), ("tied", True)):
        torch.manual_seed(3 + tied)
        model = LlamaForCausalLM(LlamaConfig(**shape, tie_word_embeddings=tied))
        for p in model.parameters():
            torch.nn.init.normal_(p, std=0.4)
        model.save_pretrained(os.path.join(OUT, name))
        os.remove(os.path.join(OUT, name, "generation_config.json"))
    expected = {}
    for name, (tied, lora, save, rows) in KINDS.items():
        torch.manual_seed(11)
        start = base(tied)
        if rows:
            start.resize_token_embeddings(rows, mean_resizing=False)
        model = get_peft_model(start, LoraConfig(**{"r": 2, "lora_alpha": 3, "task_type": "CAUSAL_LM", **lora}))
        disturb(model)
        model.peft_config["default"].base_model_name_or_path = "tiny/base"
        path = os.path.join(OUT, name)
        model.save_pretrained(path, **save)
        os.remove(os.path.join(path, "README.md"))
        again = base(tied)
        if rows:
            again.resize_token_embeddings(rows)
        values, theirs = logits(PeftModel.from_pretrained(again, path)), logits(model)
        if not rows:  # a resized base has rows of its own where the adapter brings none
            assert max(abs(a - b) for a, b in zip(values, theirs)) < 1e-6, name
        expected[name] = {"tied": tied, "rows": rows, "logits": values}
    # As state dictionaries have them that were saved without peft; it reads all but infix-whole as the plain names.
    for name, of, change in (
            ("infix", "head", lambda k: k.replace(".lora_A.", ".lora_A.default.").replace(".lora_B.", ".lora_B.default.")),
            ("infix-embedding", "embedding", lambda k: k.replace("lora_embedding_A", "lora_embedding_A.default")
             .replace("lora_embedding_B", "lora_embedding_B.default")),
            ("infix-whole", "whole-head-tied", lambda k: k.replace("lm_head.", "lm_head.modules_to_save.default.")),
            ("wrapped", "norms", lambda k: k.replace("layers.0.", "layers.0._checkpoint_wrapped_module.")
             .replace("base_model.", "_orig_mod.base_model.", 1))):
        shutil.copytree(os.path.join(OUT, of), os.path.join(OUT, name))
        rename(os.path.join(OUT, name), change)
        if name != "infix-whole":
            expected[name] = expected[of]
            continue
        try:
            PeftModel.from_pretrained(base(expected[of]["tied"]), os.path.join(OUT, name))
        except KeyError:
            continue
        raise AssertionError("peft reads a module that is saved under modules_to_save.default alone")
    versions = {m.__name__: m.__version__ for m in (torch, transformers, peft)}
    with open(os.path.join(OUT, "expected.json"), "w") as f:
        json.dump({"versions": versions, "ids": IDS[0], "adapters": expected}, f, sort_keys=True)


main()
