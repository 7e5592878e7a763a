// What a run learns from, told by content: the files of data, base model, tokenizer and adapter, and the labels. A run
// goes on only with the same: weights, rows or labels that changed in between would make another adapter unseen.
#pragma once
#include <chrono>
#include <future>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lowland::apps {

struct InputGroup {
  std::string role;  // "--train"
  std::vector<std::string> files;
  bool summed = false;  // many files, such as pictures, have one hash together
};

// The files of a model's or adapter's folder that say what it computes; a file is itself.
std::vector<std::string> files_of_model(const std::string& folder);
// Tables and texts anywhere in the folder; not its pictures.
std::vector<std::string> tables_below(const std::string& folder);

// Reads all of them, on a thread of its own, while the caller does other things.
class InputHashes {
 public:
  InputHashes(std::vector<InputGroup> groups, std::vector<std::string> labels);
  // {"files": [{role, path, bytes, xxh3}...], "labels": [...]}; says what it cost. Error, naming the file, where one
  // cannot be read.
  nlohmann::json finish(bool verbose);

 private:
  std::vector<std::string> labels_;
  double seconds_ = 0;
  std::future<nlohmann::json> made_;  // last: its end waits for the thread, which writes the others
};

// The first difference between what a run was begun with and what is there now, a sentence that names both; empty where
// there is none.
std::string input_difference(const nlohmann::json& then, const nlohmann::json& now);

// The same of settings: "batch-size is now 8 and was 4". Paths, and what changes no number of a run, are left aside.
std::string setting_difference(const nlohmann::json& then, const nlohmann::json& now,
                               const char* words = "{} is now {} and was {}");

}  // namespace lowland::apps
