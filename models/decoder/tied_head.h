// Whether a decoder's head is its embedding: as config.json, the folder's tensors and an adapter say together.
#pragma once
#include <string>

#include "models/decoder/config.h"
#include "models/hub/peft_adapter.h"
#include "models/hub/weight_map.h"

namespace lowland {

// Transformers' rule: a head of other values than the embedding that stands beside it is the model's own, whatever
// config.json says. Returns a line on that, or nothing. embedding: "model.embed_tokens".
std::string settle_tied_head(DecoderConfig& config, const WeightMap& weights, const std::string& embedding);
// The same, of the folder of a family, which may have no weights yet.
std::string settle_tied_head(DecoderConfig& config, const std::string& folder, const std::string& base_prefix,
                             const Rename& rename, const std::string& embedding);

// What an adapter changes in the shape of its base: a head or an embedding that it holds whole is one of its own, and
// its vocabulary is the model's. Tensors of the base that it brings get the names of the parameters that they fill.
// Throws Error where embedding and head are of different sizes.
void fit_to_adapter(DecoderConfig& config, LoadedAdapter& adapter, const std::string& embedding);

// Fills `into`, a parameter of the model, from the folder: a head that it lacks begins as the embedding, and the other
// way round, where config.json ties the two. What the adapter brings in another shape is left for it. input_first: the
// file has the matrix as (in, out).
void read_parameter(WeightMap& weights, const DecoderConfig& config, const std::string& embedding,
                    const LoadedAdapter* adapter, const std::string& name, const Tensor& into,
                    bool input_first = false);

}  // namespace lowland
