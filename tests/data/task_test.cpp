#include "apps/data/task.h"

#include <doctest/doctest.h>

#include "tests/data/temp_folder.h"

using namespace lowland;
using namespace lowland::test;

using Labels = std::vector<std::string>;

TEST_CASE("task: ids are Hugging Face's") {
  CHECK(task_info("mnli").labels == Labels{"entailment", "neutral", "contradiction"});
  CHECK(task_info("snli").labels == task_info("mnli").labels);
  CHECK(task_info("rte").labels == Labels{"entailment", "not_entailment"});
  CHECK(task_info("qnli").labels == task_info("rte").labels);
  CHECK(task_info("wnli").labels == Labels{"not_entailment", "entailment"});
  CHECK(task_info("wnli").find_label("1") == 1);
  CHECK(task_info("SST2").find_label("1") == 1);
  CHECK(task_info("sst2").find_label("Positive") == 1);
  CHECK(task_info("sst2").find_label("2") == -1);
  CHECK(task_info("rte").find_label("not_entailment") == 1);
  CHECK(task_info("trec").find_label("DESC:manner") == 0);
  CHECK(task_info("sst5").num_labels == 5);
  CHECK(task_help().starts_with("cola sst2 mrpc stsb qqp mnli qnli rte wnli snli sst5 trec mr subj"));
  CHECK(task_help().ends_with(", or text for files of your own"));
}

TEST_CASE("task: metrics and problem types") {
  CHECK(task_info("cola").primary_metric == "matthews_correlation");
  CHECK(task_info("mrpc").primary_metric == "f1");
  CHECK(task_info("qqp").metrics == Labels{"accuracy", "f1", "combined_score"});
  CHECK(task_info("stsb").primary_metric == "pearson");
  CHECK(task_info("stsb").metrics == Labels{"pearson", "spearmanr", "combined_score"});
  CHECK(task_info("stsb").num_labels == 1);
  CHECK(task_info("stsb").problem_type == "regression");
  CHECK(task_info("rte").problem_type == "single_label_classification");
  CHECK(task_info("rte").pair);
  CHECK_FALSE(task_info("cola").pair);
  CHECK(contains(error_of([] { task_info("mlni"); }), "unknown task `mlni`; known are cola sst2"));
}

TEST_CASE("task: a checkpoint's label2id wins, in lower case") {
  const std::map<std::string, int> large_mnli = {{"CONTRADICTION", 0}, {"NEUTRAL", 1}, {"ENTAILMENT", 2}};
  const TaskInfo mnli = remap_labels(task_info("mnli"), large_mnli);
  CHECK(mnli.labels == Labels{"contradiction", "neutral", "entailment"});
  CHECK(mnli.find_label("entailment") == 2);
  CHECK(glue_prediction(mnli, 0) == "contradiction");

  const TaskInfo mrpc = remap_labels(task_info("mrpc"), {{"Equivalent", 0}, {"not_equivalent", 1}});
  CHECK(mrpc.find_label("1") == 0);  // the file's "1" is `equivalent`
  CHECK(mrpc.positive_label == 0);
  CHECK(glue_prediction(mrpc, 0) == "1");

  const TaskInfo plain = remap_labels(task_info("sst2"), {{"LABEL_0", 0}, {"LABEL_1", 1}});
  CHECK(plain.labels == task_info("sst2").labels);
  CHECK(remap_labels(task_info("stsb"), {{"LABEL_0", 0}}).regression);
}

TEST_CASE("task: label2id that does not fit is refused and named") {
  const TaskInfo rte = task_info("rte");
  CHECK(contains(error_of([&] {
                   remap_labels(rte, {{"entailment", 0}, {"neutral", 1}});
                 }),
                 "`neutral` does not match"));
  CHECK(contains(error_of([&] { remap_labels(rte, {{"entailment", 0}}); }), "lack `not_entailment`"));
  CHECK(contains(error_of([&] {
                   remap_labels(rte, {{"entailment", 0}, {"not_entailment", 2}});
                 }),
                 "ids must be 0 to 1"));
  CHECK(contains(error_of([&] {
                   remap_labels(rte, {{"entailment", 1}, {"not_entailment", 1}});
                 }),
                 "ids must be 0 to 1"));
  CHECK(contains(error_of([&] { remap_labels(rte, {{"entailment", 0}, {"ENTAILMENT", 1}}); }), "does not match"));
  CHECK_FALSE(labels_match(rte, {{"CONTRADICTION", 0}, {"NEUTRAL", 1}, {"ENTAILMENT", 2}}));
  CHECK(labels_match(rte, {{"NOT_ENTAILMENT", 0}, {"ENTAILMENT", 1}}));
  CHECK(labels_match(rte, {{"LABEL_0", 0}, {"LABEL_1", 1}}));
  CHECK_FALSE(labels_match(rte, {{"LABEL_0", 0}, {"LABEL_1", 1}, {"LABEL_2", 2}}));
}

TEST_CASE("task: label order of other data") {
  Labels numbers = {"10", "2", "-1", "2"}, words = {"b", "B", "10", "9", "é"};
  sort_labels(numbers);
  sort_labels(words);
  CHECK(numbers == Labels{"-1", "2", "2", "10"});
  CHECK(words == Labels{"10", "9", "B", "b", "é"});
}
