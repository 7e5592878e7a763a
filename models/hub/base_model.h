// The checkpoint that an adapter is of: what it is called, and how it is told from others.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "models/hub/weight_map.h"

namespace lowland {

struct LoadedAdapter;

struct BaseModel {
  std::string folder;       // for errors
  std::string name;         // base_model_name_or_path of its adapters
  std::string fingerprint;  // of its weights
};

// 16 hexadecimal digits that tell bases apart: a hash of all names, shapes, dtypes and of some bytes of each
// tensor. The same for any sharding, and whatever the order of the tensors.
class Fingerprint {
 public:
  void add(const std::string& name, const std::string& dtype, const Shape& shape, std::string_view bytes);
  std::string text() const;

 private:
  std::map<std::string, std::vector<std::string>> tensors_;  // what is hashed of each, by name
};
// Of a folder: reads a few hundred pages, not the weights.
std::string fingerprint(const WeightMap& weights);

// What adapters call the base: `name` where the user gives one, else config.json's _name_or_path, else ORG/NAME if the
// folder is a snapshot of the Hugging Face cache, else the absolute path. Throws Error on a config.json that is no JSON
// object.
std::string base_model_name(const std::string& name, const std::string& folder);

// The base whose folder was opened.
BaseModel base_of(const WeightMap& weights, const std::string& name = "");

// Throws Error, naming both folders, if the adapter was trained on another base. Without lowland.json, or a fingerprint
// in it, there is nothing to say.
void check_base(const LoadedAdapter& adapter, const BaseModel& base);

}  // namespace lowland
