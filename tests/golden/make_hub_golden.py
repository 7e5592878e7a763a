# Writes tests/golden/hub: a tiny RoBERTa as transformers saves it in several ways, and PEFT adapters of it.
# Run from the repository's root: python tests/golden/make_hub_golden.py
import json, os, shutil
import peft, safetensors, torch, transformers
from safetensors.torch import load_file, save_file
from transformers import RobertaConfig, RobertaForMaskedLM, RobertaForSequenceClassification, RobertaModel
from peft import LoraConfig, PeftModel, TaskType, get_peft_model

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hub")
SHAPE = dict(vocab_size=64, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
             max_position_embeddings=40, type_vocab_size=1, layer_norm_eps=1e-5)
LABELS = ["entailment", "neutral", "contradiction"]


def config(**more):
    return RobertaConfig(**SHAPE, **more)


def save(model, name, **kw):
    path = os.path.join(OUT, name)
    model.save_pretrained(path, **kw)
    for extra in ("generation_config.json",):
        if os.path.exists(os.path.join(path, extra)):
            os.remove(os.path.join(path, extra))
    return path


def summary(path):
    out = {}
    for file in sorted(os.listdir(path)):
        if file.endswith(".safetensors"):
            for name, x in load_file(os.path.join(path, file)).items():
                x = x.double().flatten()
                out[name] = {"n": x.numel(), "sum": x.sum().item(), "first": x[0].item(), "last": x[-1].item()}
    return out


def randomise_b(model):  # B starts at zero: an adapter that does nothing proves nothing
    for name, p in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.3)


def adapter(base_path, base_cls, name, expected, **lora):
    torch.manual_seed(7)
    model = get_peft_model(base_cls.from_pretrained(base_path), LoraConfig(**lora))
    randomise_b(model)
    model.peft_config["default"].base_model_name_or_path = "tiny/" + os.path.basename(base_path)
    path = os.path.join(OUT, name)
    model.save_pretrained(path, save_embedding_layers=False)
    os.remove(os.path.join(path, "README.md"))
    model.eval()
    ids = torch.tensor([[0, 5, 6, 7, 2], [0, 9, 33, 63, 2]])
    modules = {}
    for key, layer in model.named_modules():
        if isinstance(layer, peft.tuners.lora.Linear):
            delta = layer.get_delta_weight("default").double()
            modules[key.removeprefix("base_model.model.")] = {
                "r": layer.r["default"], "scale": layer.scaling["default"], "delta_sum": delta.sum().item(),
                "delta_norm": delta.norm().item()}
    with torch.no_grad():
        logits = model(input_ids=ids).logits.double().flatten().tolist()
    expected[name] = {"modules": modules, "logits": logits[:6]}


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    torch.manual_seed(1)
    labels = dict(id2label=dict(enumerate(LABELS)), label2id={l: i for i, l in enumerate(LABELS)})
    cls = RobertaForSequenceClassification(config(**labels)).eval()
    for p in cls.parameters():  # no tensor all zeros or ones
        torch.nn.init.normal_(p, std=0.2)
    paths = [save(cls, "seqcls-f32"), save(cls, "seqcls-sharded", max_shard_size="12KB")]
    paths.append(save(cls.half(), "seqcls-f16"))
    cls.float()
    paths.append(save(cls.bfloat16(), "seqcls-bf16"))
    torch.manual_seed(2)
    paths.append(save(RobertaForMaskedLM(config()), "mlm"))
    torch.manual_seed(3)
    paths.append(save(RobertaModel(config(), add_pooling_layer=True), "bare"))
    # As very old files have it: LayerNorm.gamma and beta, and the position_ids buffer.
    old = os.path.join(OUT, "old-names")
    os.makedirs(old)
    tensors = {k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
               for k, v in load_file(os.path.join(OUT, "seqcls-f32", "model.safetensors")).items()}
    tensors["roberta.embeddings.position_ids"] = torch.arange(40).unsqueeze(0)
    save_file(tensors, os.path.join(old, "model.safetensors"), metadata={"format": "pt"})
    shutil.copy(os.path.join(OUT, "seqcls-f32", "config.json"), old)
    paths.append(old)

    expected = {}
    base = os.path.join(OUT, "seqcls-f32")
    adapter(base, RobertaForSequenceClassification, "adapter-seqcls", expected, task_type=TaskType.SEQ_CLS, r=4,
            lora_alpha=8, target_modules=["query", "value"])
    adapter(base, RobertaForSequenceClassification, "adapter-patterns", expected, task_type=TaskType.SEQ_CLS, r=4,
            lora_alpha=6, use_rslora=True, target_modules=r".*encoder\.layer\.\d+\.(attention\.self\.key|output\.dense)",
            rank_pattern={r"layer\.1\.attention\.self\.key": 2}, alpha_pattern={"output.dense": 3})
    adapter(os.path.join(OUT, "mlm"), RobertaForMaskedLM, "adapter-mlm", expected, r=2, lora_alpha=2,
            target_modules="all-linear", lora_dropout=0.1)
    versions = {m.__name__: m.__version__ for m in (torch, transformers, peft, safetensors)}
    with open(os.path.join(OUT, "expected.json"), "w") as f:
        json.dump({"versions": versions, "folders": {os.path.basename(p): summary(p) for p in paths},
                   "adapters": expected}, f, sort_keys=True)


main()
