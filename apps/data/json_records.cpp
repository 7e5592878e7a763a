#include "apps/data/json_records.h"

#include <iterator>

#include "apps/data/text_file.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/chat/strip.h"

namespace lowland {
namespace {

using nlohmann::json;

constexpr size_t kMostBytes = size_t{1} << 34;

// Over the bytes of a text; counts the lines that were passed.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, int64_t* lines) : at_(at), lines_(lines) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    if (*at_++ == '\n') ++*lines_;
    return *this;
  }
  CountingIterator operator++(int) {
    const CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  int64_t* lines_;
};

using Use = std::function<void(const json&, const std::string&)>;

// The parser calls back at the end of each record, which is then thrown away: the list is never in memory as a whole.
int64_t read_list(const std::string& file, const Use& fn) {
  const std::string text = read_file(file, kMostBytes);
  int64_t line = 1, begun = 1, records = 0;
  const auto on_event = [&](int depth, json::parse_event_t event, json& parsed) {
    using Event = json::parse_event_t;
    if (depth != 1 || event == Event::key || event == Event::array_end) return true;
    if (event == Event::object_start) {
      begun = line;
      return true;
    }
    const std::string where = fmt::format("{}:{} (record {})", file, begun, ++records);
    LL_CHECK(event == Event::object_end, "{}:{} (record {}): not a JSON object", file, line, records);
    fn(parsed, where);
    return false;
  };
  try {
    const CountingIterator begin(text.data(), &line), end(text.data() + text.size(), &line);
    [[maybe_unused]] const json emptied = json::parse(begin, end, on_event);
  } catch (const json::parse_error&) {
    fail("{}:{}: not JSON (after {} whole records)", file, line, records);
  }
  return records;
}

}  // namespace

void for_each_json_record(const std::string& file, const Use& fn) {
  int64_t records = 0;
  LineReader lines(file);
  for (std::string line; lines.next_filled(line);) {
    if (records == 0 && strip_left(line).starts_with('[')) {
      records = read_list(file, fn);
      break;
    }
    const json record = json::parse(line, nullptr, false);
    LL_CHECK(!record.is_discarded(), "{}: not JSON", lines.where());
    LL_CHECK(record.is_object(), "{}: not a JSON object", lines.where());
    fn(record, lines.where());
    ++records;
  }
  LL_CHECK(records > 0, "{} holds no record", file);
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
