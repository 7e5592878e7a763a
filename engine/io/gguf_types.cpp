#include "engine/io/gguf_types.h"

#include <algorithm>
#include <iterator>

namespace lowland {
namespace {

// Source: ggml.h and ggml-common.h of https://github.com/ggml-org/ggml
constexpr GgufType kTypes[] = {
    {0, "F32", 1, 4},        {1, "F16", 1, 2},       {30, "BF16", 1, 2},      {28, "F64", 1, 8},
    {24, "I8", 1, 1},        {25, "I16", 1, 2},      {26, "I32", 1, 4},       {27, "I64", 1, 8},
    {2, "Q4_0", 32, 18},     {3, "Q4_1", 32, 20},    {6, "Q5_0", 32, 22},     {7, "Q5_1", 32, 24},
    {8, "Q8_0", 32, 34},     {12, "Q4_K", 256, 144}, {13, "Q5_K", 256, 176},  {14, "Q6_K", 256, 210},
    {9, "Q8_1", 32, 0},      {10, "Q2_K", 256, 0},   {11, "Q3_K", 256, 0},    {15, "Q8_K", 256, 0},
    {16, "IQ2_XXS", 256, 0}, {17, "IQ2_XS", 256, 0}, {18, "IQ3_XXS", 256, 0}, {19, "IQ1_S", 256, 0},
    {20, "IQ4_NL", 32, 0},   {21, "IQ3_S", 256, 0},  {22, "IQ2_S", 256, 0},   {23, "IQ4_XS", 256, 0},
    {29, "IQ1_M", 256, 0},   {34, "TQ1_0", 256, 0},  {35, "TQ2_0", 256, 0},   {39, "MXFP4", 32, 0}};

template <class F> const GgufType* first(const F& fits) {
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes), fits);
  return found == std::end(kTypes) ? nullptr : found;
}

}  // namespace

const GgufType* gguf_type(uint32_t id) {
  return first([&](const GgufType& t) { return t.id == id; });
}

const GgufType* gguf_type(std::string_view name) {
  return first([&](const GgufType& t) { return name == t.name; });
}

std::string gguf_type_names() {
  std::string names;
  for (const GgufType& t : kTypes)
    if (t.bytes > 0) names += (names.empty() ? "" : ", ") + std::string(t.name);
  return names;
}

std::optional<DType> block_type_of(std::string_view dtype) {
  constexpr std::pair<std::string_view, DType> kBlocks[] = {
      {"Q4_0", DType::q4_0}, {"Q4_1", DType::q4_1}, {"Q5_0", DType::q5_0}, {"Q5_1", DType::q5_1},
      {"Q8_0", DType::q8_0}, {"Q4_K", DType::q4_k}, {"Q5_K", DType::q5_k}, {"Q6_K", DType::q6_k}};
  for (const auto& [name, type] : kBlocks)
    if (name == dtype) return type;
  return {};
}

}  // namespace lowland
