// lowland-quickstart-data DIR: writes the quickstart's text, task and model configuration into DIR, and prints the
// accuracy of a bag-of-words classifier on the task.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include "apps/quickstart/corpus.h"
#include "apps/quickstart/words.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"

namespace {

using namespace lowland;

// Two layers of 128: small enough for two cores, large enough to learn the text. Without dropout, since no line is
// seen more than twice.
constexpr const char* kModel = R"({
  "model_type": "roberta",
  "hidden_size": 128,
  "num_hidden_layers": 2,
  "num_attention_heads": 4,
  "intermediate_size": 512,
  "max_position_embeddings": 66,
  "type_vocab_size": 1,
  "vocab_size": 1000,
  "layer_norm_eps": 1e-5,
  "pad_token_id": 1,
  "bos_token_id": 0,
  "eos_token_id": 2,
  "hidden_dropout_prob": 0.0,
  "attention_probs_dropout_prob": 0.0
}
)";

std::string table(const std::vector<quickstart::Example>& examples) {
  std::string text = "text\tlabel\n";
  for (const quickstart::Example& e : examples)
    text += fmt::format("{}\t{}\n", e.text, quickstart::worlds()[e.label].name);
  return text;
}

void write(const std::string& folder) {
  std::filesystem::create_directories(folder);
  const quickstart::Corpus corpus = quickstart::make_corpus(1);
  std::string text;
  for (const std::string& line : corpus.lines) text += line + '\n';
  write_file_atomically(folder + "/text.txt", text);
  write_file_atomically(folder + "/train.tsv", table(corpus.train));
  write_file_atomically(folder + "/dev.tsv", table(corpus.held_out));
  write_file_atomically(folder + "/config.json", kModel);
  std::printf("%.4f\n", quickstart::bag_of_words_accuracy(corpus.train, corpus.held_out));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "error: one argument, the folder to write\n");
    return 1;
  }
  try {
    write(argv[1]);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
