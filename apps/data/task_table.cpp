// All that tells one task from another, a row each; the fields are TaskInfo's, in its order. docs/tasks.md is compared
// with it.
#include <utility>

#include "apps/data/task.h"

namespace lowland {
namespace {

using Names = std::vector<std::string>;

// The files that any task may have, before those it was published in. positions: of the columns of its .tsv, where that
// has no header.
std::vector<TaskFiles> usual(std::vector<TaskFiles> published = {}, std::vector<size_t> positions = {}) {
  std::vector<TaskFiles> all = {
      {.format = FileFormat::tsv, .train = "train.tsv", .dev = "dev.tsv", .test = "test.tsv", .positions = positions},
      {.format = FileFormat::csv, .train = "train.csv", .dev = "dev.csv", .test = "test.csv"},
      {.format = FileFormat::jsonl, .train = "train.jsonl", .dev = "dev.jsonl", .test = "test.jsonl"},
  };
  all.insert(all.end(), published.begin(), published.end());
  return all;
}

std::vector<TaskInfo> rows() {
  const Names f1_metrics = {"accuracy", "f1", "combined_score"};
  const Names correlations = {"pearson", "spearmanr", "combined_score"};
  const Names nli = {"entailment", "neutral", "contradiction"}, two_way = {"entailment", "not_entailment"};
  return {
      {.name = "cola",
       .about = "is the sentence acceptable English?",
       .files = usual({}, {3, 1}),
       .text_column = "sentence",
       .labels = {"unacceptable", "acceptable"},
       .metrics = {"matthews_correlation"},
       .primary_metric = "matthews_correlation"},
      {.name = "sst2",
       .about = "is the sentence of a film review positive?",
       .files = usual({{.format = FileFormat::label_text,
                        .train = "stsa.binary.train",
                        .dev = "stsa.binary.dev",
                        .test = "stsa.binary.test"}}),
       .text_column = "sentence",
       .labels = {"negative", "positive"}},
      {.name = "mrpc",
       .about = "do two sentences of the news say the same?",
       .files = usual({{.train = "msr_paraphrase_train.txt", .test = "msr_paraphrase_test.txt"}}),
       .text_column = "#1 String",
       .pair_column = "#2 String",
       .label_column = "Quality",
       .labels = {"not_equivalent", "equivalent"},
       .metrics = f1_metrics,
       .primary_metric = "f1"},
      {.name = "stsb",
       .about = "how alike in meaning are two sentences?",
       .folders = {"stsbenchmark"},
       .files =
           usual({{.train = "sts-train.tsv", .dev = "sts-dev.tsv", .test = "sts-test.tsv", .positions = {5, 6, 4}}}),
       .text_column = "sentence1",
       .pair_column = "sentence2",
       .label_column = "score",
       .min_score = 0,
       .max_score = 5,
       .metrics = correlations,
       .primary_metric = "pearson"},
      {.name = "qqp",
       .about = "do two questions ask the same?",
       .text_column = "question1",
       .pair_column = "question2",
       .label_column = "is_duplicate",
       .labels = {"not_duplicate", "duplicate"},
       .metrics = f1_metrics,
       .primary_metric = "f1"},
      {.name = "mnli",
       .about = "does the second sentence follow from the first, contradict it, or neither?",
       .folders = {"multinli", "multinli10"},
       .files = usual({{.dev = "dev_matched.tsv",
                        .test = "test_matched.tsv",
                        .dev_mm = "dev_mismatched.tsv",
                        .test_mm = "test_mismatched.tsv"},
                       {.train = "multinli_1.0_train.txt",
                        .dev = "multinli_1.0_dev_matched.txt",
                        .test = "multinli_1.0_test_matched.txt",
                        .dev_mm = "multinli_1.0_dev_mismatched.txt",
                        .test_mm = "multinli_1.0_test_mismatched.txt"},
                       {.format = FileFormat::jsonl,
                        .train = "multinli_1.0_train.jsonl",
                        .dev = "multinli_1.0_dev_matched.jsonl",
                        .test = "multinli_1.0_test_matched.jsonl",
                        .dev_mm = "multinli_1.0_dev_mismatched.jsonl",
                        .test_mm = "multinli_1.0_test_mismatched.jsonl"}}),
       .text_column = "sentence1",
       .pair_column = "sentence2",
       .label_column = "gold_label",
       .labels = nli,
       .file_labels = nli,
       .skipped_label = "-"},
      {.name = "qnli",
       .about = "does the sentence hold the answer to the question?",
       .folders = {"qnliv2"},
       .text_column = "question",
       .pair_column = "sentence",
       .labels = two_way,
       .file_labels = two_way},
      {.name = "rte",
       .about = "does the second sentence follow from the first?",
       .text_column = "sentence1",
       .pair_column = "sentence2",
       .labels = two_way,
       .file_labels = two_way},
      {.name = "wnli",
       .about = "is the pronoun replaced by what it stands for?",
       .text_column = "sentence1",
       .pair_column = "sentence2",
       .labels = {"not_entailment", "entailment"}},
      {.name = "snli",
       .about = "the same as mnli, of captions of pictures",
       .folders = {"snli10"},
       .files = usual({{.train = "snli_1.0_train.txt", .dev = "snli_1.0_dev.txt", .test = "snli_1.0_test.txt"},
                       {.format = FileFormat::jsonl,
                        .train = "snli_1.0_train.jsonl",
                        .dev = "snli_1.0_dev.jsonl",
                        .test = "snli_1.0_test.jsonl"}}),
       .text_column = "sentence1",
       .pair_column = "sentence2",
       .label_column = "gold_label",
       .labels = nli,
       .file_labels = nli,
       .skipped_label = "-"},
      {.name = "sst5",
       .about = "how positive is the sentence of a film review?",
       .folders = {"sst1"},
       .files = usual({{.format = FileFormat::label_text,
                        .train = "stsa.fine.train",
                        .dev = "stsa.fine.dev",
                        .test = "stsa.fine.test"}}),
       .labels = {"very negative", "negative", "neutral", "positive", "very positive"}},
      {.name = "trec",
       .about = "what does the question ask for?",
       .files = usual({{.format = FileFormat::label_text, .train = "TREC.train.all", .test = "TREC.test.all"},
                       {.format = FileFormat::label_text, .train = "train_5500.label", .test = "TREC_10.label"}}),
       .labels = {"DESC", "ENTY", "ABBR", "HUM", "LOC", "NUM"},
       .label_end = ":"},
      {.name = "mr",
       .about = "is the film review positive?",
       .folders = {"rottentomatoes", "rtpolaritydata"},
       .files = usual({{.format = FileFormat::label_text, .train = "rt-polarity.all"}}),
       .labels = {"negative", "positive"}},
      {.name = "subj",
       .about = "does the sentence judge a film, or tell what happens in it?",
       .files = usual({{.format = FileFormat::label_text, .train = "subj.all"}}),
       .labels = {"subjective", "objective"}},
      {.name = "boolq",
       .about = "is the answer to the question yes, by the passage?",
       .files = usual({{.format = FileFormat::jsonl, .dev = "val.jsonl"}}),
       .text_column = "question",
       .pair_column = "passage",
       .labels = {"False", "True"},
       .file_labels = {"false", "true"}},
  };
}

}  // namespace

const std::vector<TaskInfo>& task_table() {
  static const std::vector<TaskInfo> table = [] {
    std::vector<TaskInfo> all = rows();
    for (TaskInfo& task : all) {
      if (task.files.empty()) task.files = usual();
      task.complete();
    }
    return all;
  }();
  return table;
}

}  // namespace lowland
