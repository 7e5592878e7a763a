#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/common/flags.h"
#include "apps/data/predict_input.h"
#include "apps/roberta/session.h"
#include "apps/roberta/verbs.h"
#include "engine/error.h"

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
  const auto best = static_cast<size_t>(std::max_element(p.begin(), p.end()) - p.begin());
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

void predict(Settings settings, const CLI::App& verb, const std::string& input, const std::string& format) {
  LL_CHECK(format == "json" || format == "glue", "--format must be json or glue, got {}", format);
  Session session(std::move(settings));
  const Settings& s = session.settings;
  session.task_from_card();
  TaskInfo& task = session.data.task;
  if (task.name == "text" || given(verb, "text-column")) task.text_column = s.text_column;
  if (task.name == "text" || given(verb, "text-pair-column")) task.pair_column = s.text_pair_column;
  if (task.name == "text") task.pair = !s.text_pair_column.empty();
  const std::vector<Example> examples = read_predict_input(task, input).examples;
  session.build_model(false);
  const TokenizedSplit tokens = tokenize(*session.tokenizer, examples, longest(s, *session.model));
  report_truncation("input", tokens, longest(s, *session.model));
  const auto outputs = predict_outputs(*session.model, tokens, s.batch_size);
  if (format == "glue") std::printf("index\tprediction\n");
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string line = format == "glue" ? glue_line(i, task, outputs[i]) : json_line(i, task, outputs[i]);
    std::printf("%s\n", line.c_str());
  }
}

}  // namespace

void add_predict(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  auto input = std::make_shared<std::string>("-");
  auto format = std::make_shared<std::string>("json");
  CLI::App* verb = app.add_subcommand("predict", "Label texts: one JSON object per line on stdout");
  const OptionBinder bind{*verb};
  verb->add_option("INPUT", *input, "File of lines (pairs split by TAB), .csv or .jsonl; - reads lines from stdin");
  visit_input(*settings, bind);
  bind("task", settings->task, "The task, where neither adapter nor checkpoint tells it");
  bind("text-column", settings->text_column, "Column of the text");
  bind("text-pair-column", settings->text_pair_column, "Column of the second text of a pair");
  bind("max-length,max-seq-length,length", settings->max_length, "Longest sequence in tokens");
  bind("format", *format, "json, or glue for a submission file");
  bind("batch-size,batch", settings->batch_size, "Examples per forward pass");
  visit_system(*settings, bind);
  verb->callback([settings, verb, input, format] { predict(*settings, *verb, *input, *format); });
}

}  // namespace lowland::apps
