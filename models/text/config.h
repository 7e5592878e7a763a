// TextConfig: what the config.json of a network that reads texts tells, encoder or decoder, and how to get to that
// network as one that classifies texts. An encoder's head reads the first row of a text, a decoder's the last.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace lowland {

class Context;
class JsonKeys;
class TextModel;
struct HubFamily;

struct TextConfig {
  std::string model_type;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  double initializer_range = 0.02;

  int64_t num_labels = 2;
  std::vector<std::string> labels{"LABEL_0", "LABEL_1"};  // id2label: num_labels names
  // "regression", "single_label_classification", "multi_label_classification", or empty: the task decides
  std::string problem_type;
  // Ids of words, one a label: the labels' logits are theirs, of an encoder's masked-LM head at the selected row.
  // Empty: a head of its own.
  std::vector<int32_t> label_words;

  std::string dtype;         // "float32", "bfloat16", ... as the file says; empty if it does not
  std::string name_or_path;  // `_name_or_path`
  std::vector<std::string> architectures;
  std::vector<std::string> notes;  // sentences on what the file says and nobody uses
  std::string source;              // the file's text; empty if there is none

  TextConfig() = default;
  TextConfig(const TextConfig&) = default;
  TextConfig& operator=(const TextConfig&) = default;
  virtual ~TextConfig() = default;

  void set_labels(std::vector<std::string> names);  // sets num_labels too
  bool has_own_labels() const;                      // the file names its labels (not LABEL_0, LABEL_1, ...)

  virtual int64_t max_tokens() const = 0;     // longest segment
  virtual std::string embedding() const = 0;  // the module of the table of tokens
  virtual bool causal() const = 0;            // a decoder
  virtual std::string to_json() const = 0;    // the file that was read, with what has changed since
  // Error where the network asks for what its device does not compute. folder: it is from there.
  virtual void check_device(const Context& /*context*/, const std::string& /*folder*/) const {}
  // As a classifier, whose labels are these: transformers' class, config.json, files and adapters, and the model with
  // names and shapes, without memory.
  virtual std::string classifier_class() const = 0;
  virtual std::string classifier_json() const = 0;
  virtual HubFamily classifier_family() const = 0;
  virtual std::unique_ptr<TextModel> new_classifier() const = 0;
};

// id2label, or num_labels, and problem_type; and their way back. Error on labels that cannot be.
void read_labels(const JsonKeys& keys, TextConfig& config);
void put_labels(const TextConfig& config, nlohmann::json& j);

}  // namespace lowland
