// What a run says of itself: the lines of metrics.jsonl, and those that a person reads.
#pragma once
#include <string>
#include <vector>

#include "apps/train/loop.h"

namespace lowland::apps {

// --- objects of metrics.jsonl. epoch: its steps
nlohmann::ordered_json log_line(const TrainingState& state, int64_t epoch, const std::string& loss_name, double lr,
                                const optim::StepStats& stats);
nlohmann::ordered_json evaluation_line(int64_t step, int64_t epoch, const Evaluation& evaluation);
nlohmann::json probe_line(int64_t step, const Probed& probed);

// --- text
std::string log_text(const TrainingState& state, int64_t total, const std::string& loss_name, double lr,
                     size_t peak_bytes);
std::string progress_text(const TrainingState& state, const std::string& loss_name, size_t peak_bytes);
std::string evaluation_text(int64_t step, const Evaluation& evaluation);
// The numbers of examples, at most 200 characters.
std::string example_list(const std::vector<int64_t>& examples);

}  // namespace lowland::apps
