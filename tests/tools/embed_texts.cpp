// Prints the embeddings of texts by an encoder, for tests/peers/check_embeddings.py: a line of stdin is a text, or a
// pair split by TAB; a JSON list a line is the mean of the last block's rows.
//   embed_texts MODEL < lines
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/autograd.h"
#include "engine/error.h"
#include "models/roberta/load_weights.h"
#include "models/tokenizers/tokenizer.h"

using namespace lowland;

namespace {

nn::Segment segment_of(const Tokenizer& tokenizer, const std::string& line, int64_t longest) {
  const size_t tab = line.find('\t');
  const std::vector<int32_t> a = tokenizer.encode(line.substr(0, tab));
  std::vector<int32_t> b;
  if (tab != std::string::npos) b = tokenizer.encode(line.substr(tab + 1));
  const std::optional<std::span<const int32_t>> pair =
      tab == std::string::npos ? std::nullopt : std::optional<std::span<const int32_t>>(b);
  nn::Segment segment;
  tokenizer.build_inputs(a, pair, longest, segment.ids, &segment.types);
  for (size_t i = 0; i < segment.ids.size(); ++i) segment.select.push_back(static_cast<int32_t>(i));
  return segment;
}

void run(const std::string& folder) {
  const RobertaConfig config = RobertaConfig::from_folder(folder);
  const std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(folder);
  Context context;
  const NoGrad guard(context);
  Roberta model(config, RobertaHead::classification);
  model.materialise(context, DType::f32);
  load_weights(model, folder, 0);
  std::vector<nn::Segment> segments;
  for (std::string line; std::getline(std::cin, line);)
    segments.push_back(segment_of(*tokenizer, line, config.max_tokens()));
  LL_CHECK(!segments.empty(), "there are no lines");
  const nn::Rows rows = nn::pack(context, segments);
  const Tensor means = ops::segment_mean(model.encode(rows, nn::Mode::evaluation()), rows.cu_seqlens);  // (S, C)
  const std::vector<float> values = means.to_vector<float>();
  for (int64_t s = 0; s < means.dim(0); ++s) {
    const auto begin = values.begin() + s * means.dim(1);
    std::printf("%s\n", nlohmann::json(std::vector<float>(begin, begin + means.dim(1))).dump().c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    LL_CHECK(argc == 2, "embed_texts MODEL < lines");
    run(argv[1]);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
