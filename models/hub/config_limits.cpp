#include "models/hub/config_limits.h"

#include <limits>

namespace lowland {
namespace {

struct Row {
  std::string_view key;
  int64_t most;
};

constexpr Row kRows[] = {
    {"num_hidden_layers", 4096},
    {"n_layers", 4096},
    {"hidden_size", 1 << 20},
    {"dim", 1 << 20},
    {"intermediate_size", 1 << 22},
    {"hidden_dim", 1 << 22},
    {"projection_dim", 1 << 20},
    {"head_dim", 1 << 16},
    {"num_attention_heads", 1 << 16},
    {"n_heads", 1 << 16},
    {"num_key_value_heads", 1 << 16},
    {"vocab_size", 1 << 24},
    {"type_vocab_size", 1 << 16},
    {"max_position_embeddings", 1 << 24},
    {"num_labels", 1 << 20},
    {"num_channels", 1 << 10},
    {"image_size", 1 << 16},
    {"patch_size", 1 << 16},
    {"n_layer", 4096},
    {"n_embd", 1 << 20},
    {"n_inner", 1 << 22},
    {"n_head", 1 << 16},
    {"n_positions", 1 << 24},
    {"r", 1 << 16},
};

}  // namespace

int64_t config_limit(std::string_view key) {
  for (const Row& row : kRows)
    if (key == row.key) return row.most;
  return std::numeric_limits<int32_t>::max();
}

}  // namespace lowland
