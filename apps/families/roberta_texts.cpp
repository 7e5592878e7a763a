// Texts as lowland-roberta shows and labels them.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/common/progress.h"
#include "apps/data/predict_input.h"
#include "apps/families/print_rows.h"
#include "apps/families/roberta.h"
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

std::string json_line(size_t index, const TaskInfo& task, const std::vector<double>& outputs) {
  nlohmann::ordered_json o;
  o["index"] = index;
  if (task.regression) {
    o["score"] = outputs[0];
    return o.dump();
  }
  const std::vector<double> p = softmax(outputs);
  const auto best = std::max_element(p.begin(), p.end()) - p.begin();
  o["label"] = task.labels[best];
  o["score"] = p[best];
  for (size_t i = 0; i < p.size(); ++i) o["scores"][task.labels[i]] = p[i];
  return o.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string glue_line(size_t index, const TaskInfo& task, const std::vector<double>& outputs) {
  if (task.regression) return fmt::format("{}\t{:.3f}", index, outputs[0]);
  const auto best = static_cast<int>(std::max_element(outputs.begin(), outputs.end()) - outputs.begin());
  return fmt::format("{}\t{}", index, glue_prediction(task, best));
}

}  // namespace

void RobertaSession::print_example(int64_t index, int64_t first_row) const {
  const Example& e = data_.train.examples[index];
  const std::vector<int32_t>& ids = objective_->tokens(DataSplit::train).ids[index];
  std::printf("\n%s:%lld  label %s\n", data_.train.file.c_str(), static_cast<long long>(e.line),
              data_.task.regression ? fmt::format("{}", e.score).c_str() : printable(e.label_name).c_str());
  print_rows_head(first_row, first_row + static_cast<int64_t>(ids.size()));
  for (size_t i = 0; i < ids.size(); ++i)  // the head reads the first row
    print_row(static_cast<int64_t>(i), ids[i], i == 0, tokenizer->piece(ids[i]));
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
  input_tokens_ = tokenize(*tokenizer, read_predict_input(task, input_).examples, longest(), "input");
}

void RobertaSession::predict(const nn::Model& model, const std::function<void(const std::string&)>& line) {
  const auto outputs = predict_outputs(static_cast<const Roberta&>(model), input_tokens_, batch.batch_size);
  const bool glue = format_ == "glue";
  if (glue) line("index\tprediction");
  for (size_t i = 0; i < outputs.size(); ++i)
    line(glue ? glue_line(i, data_.task, outputs[i]) : json_line(i, data_.task, outputs[i]));
}

}  // namespace lowland::apps
