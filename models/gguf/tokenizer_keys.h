// A folder's tokenizer and chat template as GGUF metadata: the other way round from tokenizer_texts.h.
#pragma once
#include <cstdint>
#include <string>

#include "engine/io/gguf_writer.h"

namespace lowland {

// folder: as for load_tokenizer, also a GGUF file, whose keys are copied. rows: of the embedding; ids without a token
// are unused ones. Error on a tokenizer that llama.cpp has no name for: others than byte-level BPE that cuts text in a
// way it knows, and sentencepiece's BPE.
void put_tokenizer_keys(GgufKeys& keys, const std::string& folder, int64_t rows);

}  // namespace lowland
