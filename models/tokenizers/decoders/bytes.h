// Stages that make characters of bytes.
#pragma once
#include <memory>

#include "models/tokenizers/decoders/decoder.h"

namespace lowland {

// The byte that a piece `<0x0A>` stands for, -1 for any other.
int byte_of_piece(std::string_view piece);

std::unique_ptr<DecodeStage> byte_level_stage();
std::unique_ptr<DecodeStage> byte_fallback_stage();
std::unique_ptr<DecodeStage> llama2c_stage(std::string begin);

}  // namespace lowland
