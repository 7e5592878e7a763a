#include "apps/data/json_records.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/error.h"

namespace lowland {

using nlohmann::json;
using nlohmann::ordered_json;

bool JsonRecordReader::next(ordered_json& record) {
  if (list_) return next_element(record);
  if (!lines_.next_filled(line_)) return false;
  at_ = line_.find_first_not_of(" \t\r");
  if (count_ == 0 && line_[at_] == '[') {
    list_ = true;
    ++at_;
    return next_element(record);
  }
  begun_ = lines_.line();
  record = ordered_json::parse(line_, nullptr, false);
  LL_CHECK(!record.is_discarded(), "{}: not JSON; a file holds one list of objects, or an object on each line",
           lines_.where());
  LL_CHECK(record.is_object(), "{}: not a JSON object", lines_.where());
  ++count_;
  return true;
}

bool JsonRecordReader::skip_blanks() {
  for (;;) {
    at_ = line_.find_first_not_of(" \t\r", at_);
    if (at_ != line_.npos) return true;
    if (!lines_.next(line_)) return false;
    at_ = 0;
  }
}

void JsonRecordReader::refuse(int64_t line, const char* what) const {
  fail("{}:{}: not JSON (after {} whole records): {}", lines_.path(), line, count_, what);
}

bool JsonRecordReader::next_element(ordered_json& record) {
  bool comma = count_ == 0;  // nothing to expect in front of the first one
  if (!skip_blanks()) refuse(lines_.line(), "the list is never closed");
  if (!comma && line_[at_] == ',') {
    comma = true;
    ++at_;
    if (!skip_blanks()) refuse(lines_.line(), "the list is never closed");
  }
  if (line_[at_] == ']' && (!comma || count_ == 0)) {
    ++at_;
    if (skip_blanks()) refuse(lines_.line(), "text follows the list");
    list_ = false;  // the file has ended, and says so again
    return false;
  }
  begun_ = lines_.line();
  if (!comma) refuse(begun_, "a comma is missing");
  LL_CHECK(line_[at_] == '{', "{}:{} (record {}): not a JSON object", lines_.path(), begun_, count_ + 1);
  const std::string text = element_text();
  try {
    record = ordered_json::parse(text);
  } catch (const json::parse_error& e) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(e.byte, text.size()));
    refuse(begun_ + std::count(text.begin(), end, '\n'), "an object is broken");
  }
  ++count_;
  return true;
}

std::string JsonRecordReader::element_text() {
  std::string text;
  int64_t depth = 0;
  bool quoted = false, escaped = false;
  for (;;) {
    for (size_t i = at_; i < line_.size(); ++i) {
      const char c = line_[i];
      if (quoted) {
        if (!escaped && c == '"') quoted = false;
        escaped = !escaped && c == '\\';
      } else if (c == '"') {
        quoted = true;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if ((c == '}' || c == ']') && --depth == 0) {
        text.append(line_, at_, i + 1 - at_);
        at_ = i + 1;
        return text;
      }
    }
    text.append(line_, at_);
    text += '\n';
    at_ = 0;
    if (!lines_.next(line_)) refuse(begun_, "an object is never closed");
  }
}

std::string JsonRecordReader::where() const {
  return list_ ? fmt::format("{}:{} (record {})", lines_.path(), begun_, count_)
               : fmt::format("{}:{}", lines_.path(), begun_);
}

void for_each_json_record(const std::string& file,
                          const std::function<void(const ordered_json&, const std::string&)>& fn) {
  JsonRecordReader in(file);
  for (ordered_json record; in.next(record);) fn(record, in.where());
  LL_CHECK(in.count() > 0, "{} holds no record", file);
}

namespace {

template <class Json> std::string text_in(const Json& record, const char* key, const std::string& where) {
  LL_CHECK(record.contains(key), "{}: no `{}`", where, key);
  LL_CHECK(record.at(key).is_string(), "{}: {} is not a text", where, key);
  return record.at(key).template get<std::string>();
}

}  // namespace

std::string text_of(const json& record, const char* key, const std::string& where) {
  return text_in(record, key, where);
}
std::string text_of(const nlohmann::ordered_json& record, const char* key, const std::string& where) {
  return text_in(record, key, where);
}

std::string text_or_number(const json& value, const char* key, const std::string& where) {
  LL_CHECK(value.is_string() || value.is_number(), "{}: {} holds {}, not a text", where, key,
           value.is_structured() ? "a list or an object" : value.dump());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace lowland
