#define PCRE2_CODE_UNIT_WIDTH 8
#include "models/hub/target_match.h"

#include <pcre2.h>

#include <algorithm>
#include <array>
#include <utility>

#include "engine/error.h"

namespace lowland {
namespace {

using MatchData = std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>;

PCRE2_SPTR units(const std::string& s) { return reinterpret_cast<PCRE2_SPTR>(s.data()); }

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

// The number of groups + 1, or 0 without a match.
int run(pcre2_code* code, const std::string& expression, const std::string& path, MatchData& data) {
  const int n = pcre2_match(code, units(path), path.size(), 0, PCRE2_ANCHORED | PCRE2_ENDANCHORED, data.get(), nullptr);
  if (n > 0) return n;
  if (n != PCRE2_ERROR_NOMATCH) fail("the expression `{}` fails on `{}`: {}", expression, path, message_of(n));
  return 0;
}

}  // namespace

ModulePattern::ModulePattern(const std::string& expression) : expression_(expression) {
  int error = 0;
  PCRE2_SIZE at = 0;
  pcre2_code* code = pcre2_compile(units(expression), expression.size(), 0, &error, &at, nullptr);
  if (!code) fail("`{}` is not a regular expression: {}, at character {}", expression, message_of(error), at + 1);
  code_ = std::shared_ptr<void>(code, [](void* p) { pcre2_code_free(static_cast<pcre2_code*>(p)); });
}

bool ModulePattern::matches(const std::string& path) const {
  pcre2_code* code = static_cast<pcre2_code*>(code_.get());
  MatchData data(pcre2_match_data_create_from_pattern(code, nullptr), pcre2_match_data_free);
  return run(code, expression_, path, data) > 0;
}

std::string ModulePattern::group(const std::string& path, const char* name) const {
  pcre2_code* code = static_cast<pcre2_code*>(code_.get());
  MatchData data(pcre2_match_data_create_from_pattern(code, nullptr), pcre2_match_data_free);
  const int number = pcre2_substring_number_from_name(code, reinterpret_cast<PCRE2_SPTR>(name));
  if (number <= 0 || run(code, expression_, path, data) <= number) return "";
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data.get());
  const PCRE2_SIZE begin = ends[2 * number], end = ends[2 * number + 1];
  return begin == PCRE2_UNSET ? "" : path.substr(begin, end - begin);
}

ModuleTargets ModuleTargets::from_flag(const std::string& text) {
  ModuleTargets targets;
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  if (lower == "all-linear") {
    targets.all_linear = true;
  } else if (text.find_first_of("*+?()[]|\\^$") != std::string::npos) {
    (void)ModulePattern(text);  // refused now, not in the middle of building a model
    targets.expression = text;
  } else {
    targets.names = split_names(text);
  }
  LL_CHECK(!targets.empty(),
           "no target modules are named: give all-linear, a list such as query,value, or an expression");
  return targets;
}

std::vector<std::string> split_names(const std::string& list) {
  std::vector<std::string> names;
  std::string name;
  for (const char c : list + ",") {
    if (c == ' ') continue;
    if (c != ',') {
      name += c;
    } else if (!name.empty()) {
      names.push_back(std::exchange(name, ""));
    }
  }
  return names;
}

bool matches_target(const std::string& path, const ModuleTargets& targets) {
  if (targets.all_linear) return true;
  if (!targets.expression.empty()) return ModulePattern(targets.expression).matches(path);
  return std::any_of(targets.names.begin(), targets.names.end(),
                     [&](const std::string& name) { return path == name || path.ends_with("." + name); });
}

bool is_within(const std::string& path, const std::vector<std::string>& names) {
  const std::string dotted = "." + path + ".";
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return dotted.find("." + name + ".") != std::string::npos; });
}

int find_pattern(const std::string& path, const std::vector<std::string>& keys) {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (ModulePattern("(.*\\.)?(" + keys[i] + ")").matches(path)) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace lowland
