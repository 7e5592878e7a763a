#include <cstring>
#include <filesystem>
#include <fstream>

#include "engine/error.h"
#include "engine/io/row_order.h"
#include "models/hub/base_model.h"
#include "models/llama/llama2c.h"

namespace lowland {
namespace fs = std::filesystem;
namespace {

constexpr int32_t kLaterVersions = 0x616b3432;  // "ak42", with which files of version 1 and 2 begin

struct Header {
  int32_t dim, hidden_dim, layers, heads, kv_heads, vocab_size, seq_len;
};

Header read_header(std::ifstream& file, const std::string& path) {
  Header h{};
  LL_CHECK(file.read(reinterpret_cast<char*>(&h), sizeof h), "{} is too short for a llama2.c model", path);
  LL_CHECK(h.dim != kLaterVersions, "{} is a llama2.c model of version {}; version 0 is read", path, h.hidden_dim);
  const auto size = [](int32_t n) { return n >= 1 && n <= (1 << 24); };
  const int32_t V = std::abs(h.vocab_size);
  LL_CHECK(size(h.dim) && size(h.hidden_dim) && size(h.layers) && size(h.heads) && size(h.kv_heads) && size(V) &&
               size(h.seq_len) && h.dim % (2 * h.heads) == 0 && h.heads % h.kv_heads == 0,
           "{} is not a llama2.c model: its header says dim {}, hidden_dim {}, layers {}, heads {}, kv_heads {}, "
           "vocab_size {}, seq_len {}",
           path, h.dim, h.hidden_dim, h.layers, h.heads, h.kv_heads, h.vocab_size, h.seq_len);
  return h;
}

std::ifstream open(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  LL_CHECK(file.good(), "cannot read {}", path);
  return file;
}

// Reads the tensors in the order of the file.
class Reader {
 public:
  Reader(Llama& model, const std::string& path) : model_(model), file_(open(path)), header_(read_header(file_, path)) {
    const LlamaConfig& c = model.config();
    const int64_t tables = header_.seq_len * c.head_dim;  // cos and sin, not used any more
    const int64_t expected = sizeof(Header) + 4 * (model.parameters().count() + tables);
    const int64_t bytes = fs::file_size(path);
    LL_CHECK(bytes == expected, "{} has {} bytes; a llama2.c model of its header has {}", path, bytes, expected);
  }

  void read(const std::string& name) { put(name, next(name)); }
  void read_layers(const char* after_index) {
    for (int64_t i = 0; i < model_.config().num_hidden_layers; ++i)
      read("model.layers." + std::to_string(i) + after_index);
  }
  // Rows of each head from pairs (2 i, 2 i + 1) to halves (i, i + HD / 2).
  void read_layers_rotated(const char* after_index) {
    for (int64_t i = 0; i < model_.config().num_hidden_layers; ++i) {
      const std::string name = "model.layers." + std::to_string(i) + after_index;
      const std::vector<float> from = next(name);
      std::vector<float> to(from.size());
      const int64_t C = model_.config().hidden_size, rows = std::ssize(from) / C;
      rows_to_halves(reinterpret_cast<char*>(to.data()), reinterpret_cast<const char*>(from.data()), rows,
                     C * sizeof(float), rows / model_.config().head_dim);
      put(name, to);
    }
  }
  std::string fingerprint() const { return print_.text(); }
  void skip_tables() { file_.seekg(header_.seq_len * model_.config().head_dim * 4, std::ios::cur); }

 private:
  std::vector<float> next(const std::string& name) {
    std::vector<float> values(model_.parameters().find(name).numel());
    file_.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
    LL_CHECK(file_.good(), "the file ended in {}", name);
    return values;
  }
  void put(const std::string& name, const std::vector<float>& values) {
    const Tensor to = model_.parameters().find(name);
    to.copy_from(Tensor::from<float>(to.context(), to.shape(), values));
    print_.add(name, "F32", to.shape(), {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  }

  Llama& model_;
  std::ifstream file_;
  Header header_;
  Fingerprint print_;
};

}  // namespace

bool is_llama2c_file(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && fs::path(path).extension() == ".bin";
}

LlamaConfig read_llama2c_config(const std::string& path) {
  std::ifstream file = open(path);
  const Header h = read_header(file, path);
  LlamaConfig c;
  c.hidden_size = h.dim;
  c.intermediate_size = h.hidden_dim;
  c.num_hidden_layers = h.layers;
  c.num_attention_heads = h.heads;
  c.num_key_value_heads = h.kv_heads;
  c.head_dim = h.dim / h.heads;
  c.vocab_size = std::abs(h.vocab_size);
  c.tie_word_embeddings = h.vocab_size > 0;
  c.max_position_embeddings = h.seq_len;
  c.rms_norm_eps = 1e-5;
  c.bos_token_id = 1;
  c.eos_token_ids = {1, 2};  // its models end a text by the next one's beginning
  c.dtype = "float32";
  c.name_or_path = fs::path(path).stem().string();
  return c;
}

std::string load_llama2c(Llama& model, const std::string& path, uint64_t seed) {
  Reader reader(model, path);
  reader.read("model.embed_tokens.weight");
  reader.read_layers(".input_layernorm.weight");
  reader.read_layers_rotated(".self_attn.q_proj.weight");
  reader.read_layers_rotated(".self_attn.k_proj.weight");
  reader.read_layers(".self_attn.v_proj.weight");
  reader.read_layers(".self_attn.o_proj.weight");
  reader.read_layers(".post_attention_layernorm.weight");
  reader.read_layers(".mlp.gate_proj.weight");
  reader.read_layers(".mlp.down_proj.weight");
  reader.read_layers(".mlp.up_proj.weight");
  reader.read("model.norm.weight");
  reader.skip_tables();
  if (!model.config().tie_word_embeddings) reader.read("lm_head.weight");
  model.initialise_adapters(seed);
  return reader.fingerprint();
}

}  // namespace lowland
