// Llamas in other layouts, written as folders that transformers, vLLM and Lowland read.
#pragma once
#include <string>
#include <vector>

namespace lowland {

struct ConvertReport {
  int64_t tensors = 0;
  std::vector<std::string> notes;  // lines on what was taken for granted
};

// model: a .bin of llama2.c, or a folder as Meta publishes it (params.json, consolidated.NN.pth, tokenizer.model). Of
// several files the parts of a matrix are joined. Numbers keep their dtype; rows of q and k are put into rotate-half
// order. tokenizer: tokenizer.model or llama2.c's tokenizer.bin, which is written as tokenizer.model; empty: beside the
// model. `out` appears whole or not at all. Throws Error where it holds something already, on a tensor that is missing
// or of another shape, and on one that has no place.
ConvertReport convert_llama(const std::string& model, const std::string& tokenizer, const std::string& out);

// tokenizer.model (sentencepiece's ModelProto, BPE with bytes) of a tokenizer.bin of llama2.c.
std::string sentencepiece_of_llama2c(const std::string& tokenizer_bin);

}  // namespace lowland
