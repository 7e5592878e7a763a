// tokenizer.bin of llama2.c (github.com/karpathy/llama2.c): the length of the longest piece, then for each
// piece its score (f32), its length and its bytes, in which sentencepiece's mark is a space already. Text is
// encoded as run.c does: a space in front, each character or its bytes, then the best score first. No marker
// is found in text.
#include <cstring>

#include "engine/error.h"
#include "models/tokenizers/pipeline_tokenizer.h"
#include "models/tokenizers/tokenizer_files.h"
#include "models/tokenizers/word_models/bpe_model.h"

namespace lowland {
namespace {

constexpr int32_t kUnk = 0, kBos = 1, kEos = 2;

struct Table {
  std::vector<std::string> pieces;
  std::vector<float> scores;
};

Table read_table(std::string_view bytes, const std::string& name) {
  Table table;
  const auto take = [&](void* to, size_t n) {
    LL_CHECK(bytes.size() >= n, "{}: cut short in piece {}", name, table.pieces.size());
    std::memcpy(to, bytes.data(), n);
    bytes.remove_prefix(n);
  };
  int32_t longest = 0;
  take(&longest, 4);
  while (!bytes.empty()) {
    float score = 0;
    int32_t length = 0;
    take(&score, 4);
    take(&length, 4);
    LL_CHECK(length > 0 && length <= longest, "{}: piece {} has length {}, where 1 to {} are expected", name,
             table.pieces.size(), length, longest);
    std::string piece(length, '\0');
    take(piece.data(), piece.size());
    table.pieces.push_back(std::move(piece));
    table.scores.push_back(score);
  }
  return table;
}

}  // namespace

std::unique_ptr<Tokenizer> load_llama2c(const std::filesystem::path& path) {
  const std::string name = path.string();
  Table table = read_table(read_whole_file(path), name);
  auto bpe = std::make_unique<BpeModel>(Vocabulary(std::move(table.pieces), name, true),
                                        BpeOptions{.byte_level = false, .byte_fallback = true});
  BpeModel& model = *bpe;
  LL_CHECK(model.id_of("<0x00>") == 3 && model.id_of("<0xFF>") == 258,
           "{}: the pieces of the 256 bytes are not behind the first three", name);
  model.set_scores(table.scores, std::vector<bool>(table.scores.size(), true));
  std::vector<AddedToken> added;
  for (const int32_t id : {kUnk, kBos, kEos}) added.push_back({.content = model.pieces()[id], .id = id});
  Pipeline pipeline;
  pipeline.normalizer = prepend_normalizer(" ");
  pipeline.find_added = false;
  pipeline.repair_utf8 = false;
  pipeline.decoder = llama2c_decoder(model.pieces()[kBos]);
  SpecialTokens special{.ids = {.bos = kBos, .eos = kEos, .cls = kBos, .sep = kEos, .unk = kUnk}, .source = name};
  const InputTemplate around{.single = {kBos, InputTemplate::kA}, .pair = {kBos, InputTemplate::kA, InputTemplate::kB}};
  return std::make_unique<PipelineTokenizer>(std::move(bpe), std::move(added), std::move(pipeline), std::move(special),
                                             around);
}

}  // namespace lowland
