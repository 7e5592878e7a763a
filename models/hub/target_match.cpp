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

// Letters put in, left out, exchanged or swapped with the next that make one word the other.
size_t edits(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i)
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
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

bool ModuleTargets::is_all_linear(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return text == "all-linear";
}

ModuleTargets ModuleTargets::from_flag(const std::string& text) {
  ModuleTargets targets;
  if (is_all_linear(text)) {
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

bool matches_name(const std::string& path, const std::string& name) {
  return path == name || path.ends_with("." + name);
}

bool matches_target(const std::string& path, const ModuleTargets& targets) {
  if (targets.all_linear) return true;
  if (!targets.expression.empty()) return ModulePattern(targets.expression).matches(path);
  return std::any_of(targets.names.begin(), targets.names.end(),
                     [&](const std::string& name) { return matches_name(path, name); });
}

bool means_linear_only(const std::string& path, const ModuleTargets& targets) {
  if (targets.expression.empty()) return targets.all_linear;
  const size_t dot = path.rfind('.');
  return ModulePattern(targets.expression).matches(dot == std::string::npos ? "" : path.substr(0, dot));
}

bool is_within(const std::string& path, const std::vector<std::string>& names) {
  const std::string dotted = "." + path + ".";
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return dotted.find("." + name + ".") != std::string::npos; });
}

std::vector<std::string> near_names(const std::string& name, const std::vector<std::string>& names) {
  std::vector<std::pair<size_t, std::string>> near;
  for (const std::string& other : names) {
    const bool known = std::any_of(near.begin(), near.end(), [&](const auto& n) { return n.second == other; });
    const size_t distance = edits(name, other);
    const bool holds = other.find(name) != std::string::npos || name.find(other) != std::string::npos;
    if (!known && (holds || distance <= std::max<size_t>(1, std::min(name.size(), other.size()) / 3)))
      near.emplace_back(distance, other);
  }
  std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> out;
  for (size_t i = 0; i < std::min<size_t>(3, near.size()); ++i) out.push_back(near[i].second);
  return out;
}

int find_pattern(const std::string& path, const std::vector<std::string>& keys) {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (ModulePattern("(.*\\.)?(" + keys[i] + ")").matches(path)) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace lowland
