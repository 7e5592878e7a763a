#include "apps/data/e2e.h"

#include "apps/data/records.h"
#include "engine/error.h"
#include "models/chat/strip.h"

namespace lowland {
namespace {

LanguageRecord record_of(std::string_view meaning, std::string_view sentence, const std::string& where) {
  LanguageRecord record;
  record.prompt = strip(meaning);
  record.completion = strip(sentence);
  LL_CHECK(!record.prompt.empty() && !record.completion.empty(), "{}: expected a meaning and a sentence", where);
  record.completion.insert(0, " ");
  record.where = where;
  return record;
}

std::vector<LanguageRecord> read_lines(const std::string& file) {
  std::vector<LanguageRecord> out;
  LineReader lines(file);
  for (std::string line; lines.next_filled(line);) {
    const size_t bars = line.find("||");
    LL_CHECK(bars != std::string::npos, "{}: expected MEANING||SENTENCE", lines.where());
    out.push_back(
        record_of(std::string_view(line).substr(0, bars), std::string_view(line).substr(bars + 2), lines.where()));
  }
  return out;
}

std::vector<LanguageRecord> read_table(const std::string& file, TableFormat format) {
  std::vector<LanguageRecord> out;
  RecordReader records(file, {.format = format, .names = {"mr", "ref"}, .required = 2});
  for (std::vector<Cell> cells; records.next(cells) != RecordReader::Status::end;)
    out.push_back(record_of(cells[0].text, cells[1].text, records.where()));
  return out;
}

}  // namespace

std::vector<LanguageRecord> read_e2e(const std::string& file) {
  const auto format = find_table_format(file);
  std::vector<LanguageRecord> out = format ? read_table(file, *format) : read_lines(file);
  LL_CHECK(!out.empty(), "{} holds no example", file);
  return out;
}

}  // namespace lowland
