// Golden folders written by transformers and peft (tests/golden/make_hub_golden.py), and folders for scratch
// files.
#pragma once
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "engine/context.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"

namespace lowland::test {

inline Context& cpu() {
  static Context context;
  return context;
}

inline std::string golden(const std::string& name) { return std::string(LL_SOURCE_DIR) + "/tests/golden/hub/" + name; }

inline const nlohmann::json& expected() {
  static const nlohmann::json values = nlohmann::json::parse(read_file(golden("expected.json")));
  return values;
}

// A folder of its own, removed at the end.
struct Folder {
  std::string path;
  Folder() {
    static int number = 0;
    path = (std::filesystem::temp_directory_path() / fmt::format("lowland-hub-{}-{}", ::getpid(), number++)).string();
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
};

inline void put(const std::string& path, const std::string& content = "{}") {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  write_file_atomically(path, content);
}

// Of the environment, for a while.
struct Variable {
  std::string name;
  Variable(const std::string& n, const std::string& value) : name(n) { ::setenv(name.c_str(), value.c_str(), 1); }
  ~Variable() { ::unsetenv(name.c_str()); }
};

// What `f` says when it refuses; empty if it does not.
template <class F> std::string complaint(const F& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace lowland::test
