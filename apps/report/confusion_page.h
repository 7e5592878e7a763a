// The confusion matrix of an evaluation as a page, a single file: a picture and the numbers by class beside it.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace lowland::apps {

// evaluated: what the verb evaluate prints of classes. Both matrices of a task with two development sets. Empty where
// it holds no confusion matrix.
std::string confusion_page(const std::string& title, const nlohmann::ordered_json& evaluated);

}  // namespace lowland::apps
