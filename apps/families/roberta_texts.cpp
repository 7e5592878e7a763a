// Texts as lowland-roberta shows and labels them.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/common/progress.h"
#include "apps/data/predict_input.h"
#include "apps/families/print_rows.h"
#include "apps/families/roberta.h"
#include "apps/metrics/metrics.h"
#include "engine/error.h"
#include "models/tokenizers/printable.h"

namespace lowland::apps {
namespace {

std::vector<double> softmax(const std::vector<double>& x) {
  const double top = *std::max_element(x.begin(), x.end());
  std::vector<double> p;
  double sum = 0;
  for (const double v : x) sum += p.emplace_back(std::exp(v - top));
  for (double& v : p) v /= sum;
  return p;
}

// Adds what the head says to a row that has its index.
void add_label(const TaskInfo& task, const std::vector<double>& outputs, nlohmann::ordered_json& row) {
  if (task.regression) {
    row["score"] = outputs[0];
    return;
  }
  if (task.multi_label) {
    row["labels"] = nlohmann::ordered_json::array();
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i] > 0) row["labels"].push_back(task.labels[i]);
      row["scores"][task.labels[i]] = 1 / (1 + std::exp(-outputs[i]));
    }
    return;
  }
  const std::vector<double> p = softmax(outputs);
  const auto best = std::max_element(p.begin(), p.end()) - p.begin();
  row["label"] = task.labels[best];
  row["score"] = p[best];
  for (size_t i = 0; i < p.size(); ++i) row["scores"][task.labels[i]] = p[i];
}

std::string glue_cell(const TaskInfo& task, const std::vector<double>& outputs) {
  if (task.regression) return fmt::format("{:.3f}", outputs[0]);
  return glue_prediction(task, argmax_rows(outputs, task.num_labels)[0]);
}

}  // namespace

void RobertaSession::print_example(int64_t index, int64_t first_row) const {
  const Example& e = data_.train.examples[index];
  const std::vector<int32_t>& ids = objective_->tokens(DataSplit::train).ids[index];
  std::printf("\n%s:%lld  label %s\n", data_.train.file.c_str(), static_cast<long long>(e.line),
              data_.task.regression ? fmt::format("{}", e.score).c_str() : printable(e.label_name).c_str());
  print_rows_head(first_row, first_row + static_cast<int64_t>(ids.size()));
  const std::vector<int32_t>& rows = objective_->tokens(DataSplit::train).rows;
  const size_t read = !rows.empty() ? rows[index] : config_->causal() ? ids.size() - 1 : 0;
  for (size_t i = 0; i < ids.size(); ++i)
    print_row(static_cast<int64_t>(i), ids[i], i == read, tokenizer->piece(ids[i]));
}

std::string RobertaSession::example_summary(int64_t rows) const {
  return fmt::format("{} training examples, {} rows", thousands(static_cast<int64_t>(data_.train.examples.size())),
                     thousands(rows));
}

void RobertaSession::read_input() {
  task_from_card();
  TaskInfo& task = data_.task;
  const bool own = task.name == "text";
  if (own || flags_->given("text-column") || flags_->given("columns")) task.text_column = task_.text_column;
  if (own || flags_->given("text-pair-column")) task.pair_column = task_.pair_column;
  if (own) task.pair = !task_.pair_column.empty();
  LL_CHECK(format_ != "glue" || !task.multi_label, "--format glue writes one label, and this task has several");
  const std::vector<Example> examples = read_predict_input(task, input_).examples;
  input_tokens_ = tokenize(*tokenizer, examples, longest(), "input", prompt_ ? &*prompt_ : nullptr);
  if (keep_.empty()) return;
  LL_CHECK(format_ != "glue", "--keep-columns {}: a submission (--format glue) has no other columns", keep_);
  kept_ = keep_columns(keep_, input_, task, examples);
}

void RobertaSession::predict(const nn::Model& model, const OnRow& row) {
  Progress bar("predict", static_cast<int64_t>(input_tokens_.ids.size()));
  const auto outputs = predict_outputs(
      static_cast<const TextModel&>(model), input_tokens_, batch.batch_size,
      [&](int64_t done, int64_t) { bar.update(done, ""); }, ranks);
  bar.finish();
  for (size_t i = 0; i < outputs.size(); ++i) {
    nlohmann::ordered_json o{{"index", i}};
    for (size_t k = 0; k < kept_.names.size(); ++k) o[kept_.names[k]] = kept_.rows[i][k];
    if (format_ == "glue")
      o["prediction"] = glue_cell(data_.task, outputs[i]);
    else
      add_label(data_.task, outputs[i], o);
    row(o);
  }
}

}  // namespace lowland::apps
