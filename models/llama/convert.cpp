#include "models/llama/convert.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include <nlohmann/json.hpp>

#include "engine/context.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/row_order.h"
#include "engine/io/safetensors_writer.h"
#include "models/hub/json_keys.h"
#include "models/hub/write_model.h"
#include "models/llama/llama2c.h"

namespace lowland {
namespace fs = std::filesystem;
namespace {

constexpr const char* kTokenizerConfig = R"({
  "tokenizer_class": "LlamaTokenizer",
  "bos_token": "<s>",
  "eos_token": "</s>",
  "unk_token": "<unk>",
  "add_bos_token": true,
  "add_eos_token": false,
  "clean_up_tokenization_spaces": false,
  "legacy": true
}
)";

// How the parts of a matrix lie in several files.
enum class Join : uint8_t { none, rows, columns };

struct Place {
  std::string name;
  Join join = Join::none;
  int64_t rotated_heads = 0;  // rows of so many heads go from pairs to halves
};

class OriginalFolder {
 public:
  explicit OriginalFolder(const std::string& folder)
      : folder_(folder), params_(read_file(folder + "/params.json", 64 << 20), folder + "/params.json") {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("consolidated.") && name.ends_with(".pth")) names.insert(entry.path().string());
    }
    LL_CHECK(!names.empty(), "{} has params.json, but no consolidated.NN.pth beside it", folder);
    for (const std::string& name : names) files_.push_back(open_tensor_file(name));
    read_config();
  }

  const LlamaConfig& config() const { return config_; }
  const std::vector<std::string>& notes() const { return notes_; }

  int64_t write(const std::string& into) const {
    std::map<std::string, std::pair<std::string, Place>> sources;  // by the new name
    std::vector<TensorInfo> plan;
    for (const TensorInfo& t : files_[0]->tensors()) {
      if (t.name == "rope.freqs") continue;
      const Place place = place_of(t.name);
      plan.push_back({.name = place.name, .dtype = t.dtype, .shape = joined_shape(t.name, place.join)});
      sources[place.name] = {t.name, place};
    }
    SafetensorsWriter writer(into + "/model.safetensors", plan);
    for (const TensorInfo& t : writer.plan()) {
      const auto& [source, place] = sources.at(t.name);
      std::string bytes = joined(source, place.join);
      if (place.rotated_heads > 0) {
        const std::string pairs = bytes;
        const int64_t rows = t.shape[0];
        rows_to_halves(bytes.data(), pairs.data(), rows, bytes.size() / rows, place.rotated_heads);
      }
      writer.append_bytes(t.name, bytes);
    }
    writer.finish();
    return std::ssize(plan);
  }

 private:
  void read_config();
  Place place_of(const std::string& name) const;

  Shape joined_shape(const std::string& name, Join join) const {
    Shape shape = files_[0]->info(name).shape;
    if (join == Join::none) return shape;
    const size_t d = join == Join::rows ? 0 : 1;
    LL_CHECK(shape.size() == 2, "{}: `{}` is no matrix", files_[0]->path(), name);
    for (size_t f = 1; f < files_.size(); ++f) {
      const Shape& more = files_[f]->info(name).shape;
      LL_CHECK(more.size() == 2 && more[1 - d] == shape[1 - d], "{}: `{}` does not fit the same part of {}",
               files_[f]->path(), name, files_[0]->path());
      shape[d] += more[d];
    }
    return shape;
  }

  std::string joined(const std::string& name, Join join) const {
    std::string out;
    if (join != Join::columns) {
      for (size_t f = 0; f < (join == Join::none ? 1 : files_.size()); ++f) {
        const TensorBytes part = files_[f]->bytes(name);
        out += std::string_view(part);
      }
      return out;
    }
    std::vector<TensorBytes> parts;
    for (const auto& file : files_) parts.push_back(file->bytes(name));
    const int64_t rows = files_[0]->info(name).shape[0];
    for (int64_t row = 0; row < rows; ++row)
      for (const TensorBytes& part : parts) {
        const size_t width = part.size() / rows;
        out.append(part.data() + row * width, width);
      }
    return out;
  }

  std::string folder_;
  JsonKeys params_;
  std::vector<std::shared_ptr<const TensorFile>> files_;
  LlamaConfig config_;
  std::vector<std::string> notes_;
};

// The names are those of https://github.com/meta-llama/llama. Tables are cut by columns in Llama 1 and 2, by rows in 3.
Place OriginalFolder::place_of(const std::string& name) const {
  const int64_t dim = params_.whole("dim", 0);
  if (name == "tok_embeddings.weight")
    return {"model.embed_tokens.weight", files_[0]->info(name).shape.back() == dim ? Join::rows : Join::columns};
  if (name == "norm.weight") return {"model.norm.weight"};
  if (name == "output.weight") return {"lm_head.weight", Join::rows};
  static const std::map<std::string, std::pair<const char*, Join>> kParts = {
      {"attention.wq.weight", {"self_attn.q_proj.weight", Join::rows}},
      {"attention.wk.weight", {"self_attn.k_proj.weight", Join::rows}},
      {"attention.wv.weight", {"self_attn.v_proj.weight", Join::rows}},
      {"attention.wo.weight", {"self_attn.o_proj.weight", Join::columns}},
      {"feed_forward.w1.weight", {"mlp.gate_proj.weight", Join::rows}},
      {"feed_forward.w2.weight", {"mlp.down_proj.weight", Join::columns}},
      {"feed_forward.w3.weight", {"mlp.up_proj.weight", Join::rows}},
      {"attention_norm.weight", {"input_layernorm.weight", Join::none}},
      {"ffn_norm.weight", {"post_attention_layernorm.weight", Join::none}}};
  const size_t dot = name.find('.', 7);
  const auto part =
      name.starts_with("layers.") && dot != std::string::npos ? kParts.find(name.substr(dot + 1)) : kParts.end();
  LL_CHECK(part != kParts.end(), "{}: `{}` has no place in a Llama", files_[0]->path(), name);
  const int64_t heads = part->first == "attention.wq.weight"   ? config_.num_attention_heads
                        : part->first == "attention.wk.weight" ? config_.num_key_value_heads
                                                               : 0;
  return {"model." + name.substr(0, dot + 1) + part->second.first, part->second.second, heads};
}

void OriginalFolder::read_config() {
  LlamaConfig& c = config_;
  c.hidden_size = params_.whole("dim", 0);
  c.num_hidden_layers = params_.whole("n_layers", 0);
  c.num_attention_heads = params_.whole("n_heads", 0);
  c.num_key_value_heads = params_.whole("n_kv_heads", c.num_attention_heads);
  LL_CHECK(c.hidden_size > 0 && c.num_hidden_layers > 0 && c.num_attention_heads > 0 && c.num_key_value_heads > 0 &&
               c.hidden_size % (2 * c.num_attention_heads) == 0,
           "{}: no Llama has dim {}, n_layers {}, n_heads {}", params_.file(), c.hidden_size, c.num_hidden_layers,
           c.num_attention_heads);
  c.head_dim = c.hidden_size / c.num_attention_heads;
  c.rms_norm_eps = params_.number("norm_eps", 1e-5);
  c.rope_theta = params_.number("rope_theta", 10000);
  const TensorFile& first = *files_[0];
  c.intermediate_size = joined_shape("layers.0.feed_forward.w1.weight", Join::rows)[0];
  const Join table = place_of("tok_embeddings.weight").join;
  c.vocab_size = joined_shape("tok_embeddings.weight", table)[0];
  c.tie_word_embeddings = !first.contains("output.weight");
  const std::string& dtype = first.info("tok_embeddings.weight").dtype;
  c.dtype = dtype == "BF16" ? "bfloat16" : dtype == "F16" ? "float16" : "float32";
  const bool third = c.vocab_size > 100'000;  // Llama 3's tokenizer
  const bool scaled = params_.flag("use_scaled_rope", false);
  c.max_position_embeddings = scaled ? 131'072 : third ? 8192 : c.rms_norm_eps > 5e-6 ? 4096 : 2048;
  if (scaled) {
    c.rope_scaling.type = "llama3";
    c.rope_scaling.factor = c.hidden_size < 4096 ? 32 : 8;  // 3.2's small ones; 3.1
  }
  c.bos_token_id = third ? 128'000 : 1;
  c.eos_token_ids = {third ? 128'001 : 2};
  c.architectures = {"LlamaForCausalLM"};
  notes_.push_back(fmt::format("params.json does not say how many positions the model has: config.json says {}",
                               c.max_position_embeddings));
}

void write_tokenizer(const std::string& from, const fs::path& into, ConvertReport& report) {
  if (from.ends_with(".bin")) {
    write_file_atomically((into / "tokenizer.model").string(), sentencepiece_of_llama2c(from));
  } else {
    write_file_atomically((into / "tokenizer.model").string(), read_file(from));
  }
  const std::string start = read_file((into / "tokenizer.model").string()).substr(0, 64);
  const bool tiktoken = start.find(' ') != std::string::npos && start.find('\n') != std::string::npos;
  if (tiktoken) {
    report.notes.emplace_back(
        "tokenizer.model is a table of tiktoken: Lowland reads it; transformers needs the tokenizer.json of the "
        "published folder beside it");
    return;
  }
  write_file_atomically((into / "tokenizer_config.json").string(), kTokenizerConfig);
}

}  // namespace

ConvertReport convert_llama(const std::string& model, const std::string& tokenizer, const std::string& out) {
  ConvertReport report;
  const bool file = is_llama2c_file(model);
  LL_CHECK(file || fs::exists(fs::path(model) / "params.json"),
           "{} is neither a .bin file of llama2.c nor a folder with params.json and consolidated.00.pth", model);
  std::string tokens = tokenizer;
  if (tokens.empty())
    tokens = (file ? fs::path(model).parent_path() / "tokenizer.bin" : fs::path(model) / "tokenizer.model").string();
  LL_CHECK(fs::is_regular_file(tokens), "--tokenizer names the tokenizer of {}: there is no {}", model, tokens);
  std::error_code error;
  LL_CHECK(!fs::exists(out, error) || fs::is_empty(out, error), "{} is there already, and not empty", out);
  AtomicDirectory folder(out);
  const fs::path into(folder.temporary());
  if (file) {
    LlamaConfig config = read_llama2c_config(model);
    config.architectures = {"LlamaForCausalLM"};
    Context context;
    Llama llama(config);
    llama.materialise(context, DType::f32);
    load_llama2c(llama, model, 0);
    const std::vector<NamedTensor> tensors = llama.parameters().named();
    write_model_files(into.string(), config.to_json(), tensors);
    report.tensors = std::ssize(tensors);
  } else {
    const OriginalFolder original(model);
    write_file_atomically((into / "config.json").string(), original.config().to_json());
    report.tensors = original.write(into.string());
    report.notes = original.notes();
  }
  write_tokenizer(tokens, into, report);
  folder.commit();
  return report;
}

}  // namespace lowland
