// What a run's evaluations are chosen by, and how that is told.
#pragma once
#include <string>

#include "apps/train/objective.h"

namespace lowland::apps {

// Whether its score is a number: a correlation with one value in a row is none.
bool is_defined(const Evaluation& e);
// The metric of this name, with or without eval_ in front, as the score that counts; the task's own where it is empty.
void score_by(const std::string& metric, Evaluation& e);
// Error unless the objective's evaluations have it.
void check_metric(const std::string& metric, const Objective& objective);
// By the score; an undefined one loses to every other, and of two undefined ones the lower loss wins.
bool is_better(const Evaluation& e, const Evaluation& than);
// {name, value}: the score, or of an undefined one the loss; null if that is none either.
nlohmann::ordered_json chosen_by(const Evaluation& e);
std::string score_text(const Evaluation& e);  // "accuracy 0.9100", "pearson undefined"

}  // namespace lowland::apps
