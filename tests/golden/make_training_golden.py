# Writes tests/golden/training: adapters as peft makes them, with exceptions of rank and alpha, trained biases and pairs that
# begin with a part of the weights; the losses of AdamW steps from there, and what peft saves behind them with the logits
# that it computes. The bases are tiny models of tests/golden. Run from the repository's root:
#     python tests/golden/make_training_golden.py
import json, os, shutil, tempfile, warnings
import peft, torch, transformers
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "training")
IDS = [[0, 45, 31, 2, 17], [0, 7, 9, 33, 2], [0, 12, 3, 28, 5]]
LABELS = [1, 0, 2]
STEPS, LR = 8, 1e-2
ROBERTA, QWEN2, LLAMA = "roberta_tiny", "llama_tiny/qwen2", "llama_tiny/llama"

V, ROWS = 61, 63  # of the Llama, and where its vocabulary has grown
NEW = [V, V + 1]

# name: (base, keywords of LoraConfig, which begins on the base's weights)
KINDS = {
    "ranks": (QWEN2, dict(r=2, lora_alpha=3, target_modules=["q_proj", "v_proj", "k_proj", "down_proj"],
                          rank_pattern={"k_proj": 5, "layers.1.self_attn.q_proj": 1}, alpha_pattern={"v_proj": 7}), False),
    "ranks-rslora": (LLAMA, dict(r=3, lora_alpha=2, use_rslora=True, target_modules=["q_proj", "embed_tokens"],
                                 rank_pattern={"embed_tokens": 4, r"layers\.0\..*": 2}), False),
    "ranks-classes": (ROBERTA, dict(r=2, lora_alpha=4, target_modules=["query", "value", "output.dense"],
                                    rank_pattern={"value": 4}, alpha_pattern={"layer.1.output.dense": 1}), False),
    "dora": (QWEN2, dict(r=2, lora_alpha=3, use_dora=True, target_modules=["q_proj", "v_proj", "o_proj", "down_proj"],
                         rank_pattern={"v_proj": 4}), False),
    "dora-classes": (ROBERTA, dict(r=2, lora_alpha=4, use_dora=True, bias="lora_only",
                                   target_modules=["query", "output.dense"]), False),
    "biases-of-pairs": (ROBERTA, dict(r=2, lora_alpha=4, bias="lora_only", target_modules=["query", "output.dense"]), False),
    "all-biases": (ROBERTA, dict(r=2, lora_alpha=4, bias="all", target_modules=["query", "value"]), False),
    "all-biases-decoder": (QWEN2, dict(r=2, lora_alpha=4, bias="all", target_modules=["q_proj"]), False),
    "pissa": (QWEN2, dict(r=3, lora_alpha=6, init_lora_weights="pissa", target_modules=["q_proj", "k_proj", "up_proj"]),
              True),
    "pissa-ranks": (LLAMA, dict(r=2, lora_alpha=3, init_lora_weights="pissa", target_modules=["q_proj", "o_proj"],
                                rank_pattern={"o_proj": 4}, alpha_pattern={"q_proj": 5}), True),
    "olora": (LLAMA, dict(r=3, lora_alpha=2, init_lora_weights="olora", use_rslora=True,
                          target_modules=["v_proj", "gate_proj", "down_proj"]), True),
    "tokens": (QWEN2, dict(r=2, lora_alpha=3, target_modules=["q_proj"], trainable_token_indices=[31, 45]), False),
    "tokens-classes": (ROBERTA, dict(r=2, lora_alpha=3, target_modules=["query"],
                                     trainable_token_indices={"word_embeddings": [7, 31]}), False),
    "tokens-new": (LLAMA, dict(r=2, lora_alpha=3, target_modules=["q_proj"],
                               trainable_token_indices={"embed_tokens": NEW, "lm_head": NEW}), False),
}
# Of a vocabulary that has grown the new tokens are in the texts.
TEXTS = {"tokens-new": [[0, 45, NEW[0], 2, 17], [0, NEW[1], 9, NEW[0], 2], [0, 12, 3, 28, NEW[1]]]}


def base_of(base):
    classes = base == ROBERTA
    cls = AutoModelForSequenceClassification if classes else AutoModelForCausalLM
    return cls.from_pretrained(os.path.join(HERE, base), dtype=torch.float32, attn_implementation="eager"), classes


def grow(model):  # without the noise of transformers' mean_resizing
    model.resize_token_embeddings(ROWS, mean_resizing=False)
    with torch.no_grad():
        for table in (model.get_input_embeddings().weight, model.get_output_embeddings().weight):
            table[V:] = table[:V].mean(dim=0)
    return model


def logits(model, texts):
    with torch.no_grad():
        return model.eval()(torch.tensor(texts)).logits.double().flatten().tolist()


def disturb(model):
    for name, p in model.named_parameters():
        if p.requires_grad and "lora_magnitude" in name:
            with torch.no_grad():
                p.mul_(1 + 0.2 * torch.randn_like(p))
        elif p.requires_grad and "lora_" in name:
            torch.nn.init.normal_(p, std=0.2)


def train(model, classes, texts):
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=LR, weight_decay=0.0)
    ids, losses = torch.tensor(texts), []
    for _ in range(STEPS):
        out = model.eval()(ids)
        if classes:
            loss = torch.nn.functional.cross_entropy(out.logits, torch.tensor(LABELS))
        else:
            loss = torch.nn.functional.cross_entropy(out.logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    expected = {}
    for name, (base, keywords, converted) in KINDS.items():
        torch.manual_seed(5)
        start, classes = base_of(base)
        texts, grows = TEXTS.get(name, IDS), name in TEXTS
        start = grow(start) if grows else start
        model = get_peft_model(start, LoraConfig(task_type="SEQ_CLS" if classes else "CAUSAL_LM", **keywords))
        model.peft_config["default"].base_model_name_or_path = "tiny/base"
        path = os.path.join(OUT, name)
        with tempfile.TemporaryDirectory() as folder:
            before = os.path.join(folder if converted else path, "start")
            if converted:  # peft asks for it so
                model.peft_config["default"].init_lora_weights = True
                model.save_pretrained(before)
                model.peft_config["default"].init_lora_weights = keywords["init_lora_weights"]
            else:
                disturb(model)
                model.save_pretrained(before, save_embedding_layers=grows)
            losses = train(model, classes, texts)
            after = logits(model, texts)
            end = os.path.join(path, "end")
            if converted:
                model.save_pretrained(end, path_initial_model_for_weight_conversion=before)
            else:
                model.save_pretrained(end, save_embedding_layers=grows)
        whole = grow(base_of(base)[0]) if grows else base_of(base)[0]
        again = logits(PeftModel.from_pretrained(whole, end), texts)
        assert max(abs(a - b) for a, b in zip(after, again)) < 1e-4, name
        for folder in ("start", "end"):
            readme = os.path.join(path, folder, "README.md")
            if os.path.exists(readme):
                os.remove(readme)
        expected[name] = {"base": base, "converted": converted, "losses": losses, "logits": [round(x, 7) for x in again], "ids": texts}
    versions = {m.__name__: m.__version__ for m in (torch, transformers, peft)}
    with open(os.path.join(OUT, "expected.json"), "w") as f:
        json.dump({"versions": versions, "labels": LABELS, "lr": LR, "kinds": expected}, f, sort_keys=True)


main()
