#include "apps/data/text_file.h"

#include <filesystem>
#include <iostream>

#include "apps/common/progress.h"
#include "apps/data/parquet.h"
#include "engine/error.h"

namespace lowland {
namespace {

// Windows-1252 for 0x80..0x9f; the five unassigned bytes stay C1 controls. 0xa0..0xff equal Unicode.
constexpr uint16_t kCp1252[32] = {0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                  0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,   0x017D, 0x8F,
                                  0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                  0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

uint32_t byte_at(const std::string& text, size_t i) {
  return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
}

// Length of the valid UTF-8 sequence at i, 0 if there is none. Overlong forms, surrogates and > U+10FFFF are
// invalid.
size_t sequence_length(const std::string& text, size_t i) {
  const uint32_t lead = byte_at(text, i), second = byte_at(text, i + 1);
  if (lead < 0x80) return 1;
  size_t length = 0;
  uint32_t low = 0x80, high = 0xBF;  // of the second byte
  if (lead >= 0xC2 && lead <= 0xDF) length = 2;
  if (lead >= 0xE0 && lead <= 0xEF) length = 3;
  if (lead >= 0xF0 && lead <= 0xF4) length = 4;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  if (length == 0 || second < low || second > high) return 0;
  for (size_t k = 2; k < length; ++k) {
    if ((byte_at(text, i + k) & 0xC0) != 0x80) return 0;
  }
  return length;
}

void append_code_point(std::string& text, uint32_t c) {
  if (c >= 0x800) {
    text += static_cast<char>(0xE0 | (c >> 12));
    text += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
  } else {
    text += static_cast<char>(0xC0 | (c >> 6));
  }
  text += static_cast<char>(0x80 | (c & 0x3F));
}

}  // namespace

void refuse_parquet(const std::string& path) {
  LL_CHECK(!path.ends_with(".parquet"),
           "{}: Parquet is not read here; in Python, pandas.read_parquet(\"{}\").to_json(\"{}.jsonl\", "
           "orient=\"records\", lines=True) writes the same rows as a file that is",
           path, path, path.substr(0, path.size() - std::string_view(".parquet").size()));
}

LineReader::LineReader(std::string path) : path_(std::move(path)), in_(&file_) {
  if (path_ == "-") {
    path_ = "standard input";
    in_ = &std::cin;
    return;
  }
  LL_CHECK(std::filesystem::exists(path_), "{} does not exist", path_);
  LL_CHECK(!std::filesystem::is_directory(path_), "{} is a folder, not a file", path_);
  LL_CHECK(std::filesystem::is_regular_file(path_), "{} is a pipe or a device, not a file", path_);
  refuse_parquet(path_);
  file_.open(path_, std::ios::binary);
  LL_CHECK(file_.good(), "{} cannot be opened", path_);
}

bool LineReader::next(std::string& line) {
  if (!std::getline(*in_, line)) {
    LL_CHECK(!in_->bad(), "{} cannot be read after line {}", path_, line_);
    if (repaired_ > 0 && !ended_)
      apps::say(fmt::format("{}: {} not UTF-8 and read as Windows-1252 (first: line {})", path_,
                            repaired_ == 1 ? "1 line is" : fmt::format("{} lines are", repaired_), first_repaired_));
    ended_ = true;
    return false;
  }
  if (++line_ == 1) {
    const bool utf16 = line.starts_with("\xFF\xFE") || line.starts_with("\xFE\xFF");
    LL_CHECK(!utf16, "{} is UTF-16; save it as UTF-8", path_);
    if (line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (repair_utf8(line) && repaired_++ == 0) first_repaired_ = line_;
  return true;
}

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == line.npos; }

bool LineReader::next_filled(std::string& line) {
  while (next(line)) {
    if (!is_blank(line)) return true;
  }
  return false;
}

std::string LineReader::where() const { return fmt::format("{}:{}", path_, line_); }

bool repair_utf8(std::string& text) {
  size_t i = 0;
  while (i < text.size()) {
    const size_t length = sequence_length(text, i);
    if (length == 0) break;
    i += length;
  }
  if (i >= text.size()) return false;
  std::string fixed = text.substr(0, i);
  while (i < text.size()) {
    const size_t length = sequence_length(text, i);
    if (length == 0) {
      const uint32_t byte = byte_at(text, i);
      append_code_point(fixed, byte < 0xA0 ? kCp1252[byte - 0x80] : byte);
    }
    fixed.append(text, i, length);
    i += length == 0 ? 1 : length;
  }
  text = std::move(fixed);
  return true;
}

void split_tabs(const std::string& line, std::vector<std::string>& cells) {
  cells.clear();
  size_t begin = 0;
  for (size_t tab = line.find('\t'); tab != std::string::npos; tab = line.find('\t', begin)) {
    cells.emplace_back(line, begin, tab - begin);
    begin = tab + 1;
  }
  cells.emplace_back(line, begin);
}

bool next_csv_record(LineReader& in, std::vector<std::string>& cells, int64_t& first_line) {
  std::string line;
  do {
    if (!in.next(line)) return false;
  } while (line.find_first_not_of(' ') == line.npos);
  first_line = in.line();
  cells.assign(1, "");
  bool quoted = false, closed = false;  // inside quotes; just after the closing quote
  for (size_t i = 0;; ++i) {
    if (i == line.size()) {
      if (!quoted) return true;
      LL_CHECK(in.next(line), "{}:{}: the quote opened in this record is never closed", in.path(), first_line);
      cells.back() += '\n';
      i = static_cast<size_t>(-1);
    } else if (quoted) {
      if (line[i] != '"') {
        cells.back() += line[i];
      } else if (i + 1 < line.size() && line[i + 1] == '"') {
        cells.back() += '"';
        ++i;
      } else {
        quoted = false;
        closed = true;
      }
    } else if (line[i] == ',') {
      cells.emplace_back();
      closed = false;
    } else {
      LL_CHECK(!closed, "{}: text follows a closing quote; a quote inside a quoted cell is written twice", in.where());
      quoted = line[i] == '"' && cells.back().empty();
      if (!quoted) cells.back() += line[i];
    }
  }
}

}  // namespace lowland
