// What goes around texts: the `post_processor` of a tokenizer.json.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "models/tokenizers/tokenizer.h"

namespace lowland {

// Error, one sentence naming source, for a kind that is not known.
InputTemplate make_input_template(const nlohmann::json& component, const std::string& source);

// `CLS A SEP` and `CLS A SEP B SEP`, of which `B SEP` has token type 1.
InputTemplate bert_template(int32_t cls, int32_t sep);
// `CLS A SEP` and `CLS A SEP SEP B SEP`.
InputTemplate roberta_template(int32_t cls, int32_t sep);

}  // namespace lowland
