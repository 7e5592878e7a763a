#include "apps/data/text_file.h"

#include <doctest/doctest.h>

#include "apps/data/records.h"
#include "tests/data/temp_folder.h"

using namespace lowland;
using namespace lowland::test;

using Cells = std::vector<std::string>;

namespace {

std::string repaired(std::string text) {
  repair_utf8(text);
  return text;
}

std::vector<Cells> csv(const std::string& content) {
  const TempFolder folder;
  LineReader in(folder.write("a.csv", content));
  std::vector<Cells> records;
  Cells cells;
  int64_t line = 0;
  while (next_csv_record(in, cells, line)) records.push_back(cells);
  return records;
}

}  // namespace

TEST_CASE("text_file: UTF-8 is kept, other bytes are read as Windows-1252") {
  for (const std::string valid : {"", "plain", "crème brûlée", "\xE2\x80\x93", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF",
                                  "\xED\x9F\xBF", "\xEE\x80\x80", "\xC2\x80"}) {
    std::string text = valid;
    CHECK_FALSE(repair_utf8(text));
    CHECK(text == valid);
  }
  CHECK(repaired("clich\xE9s") == "clichés");
  CHECK(repaired("\x85the") == "…the");
  CHECK(repaired("a \x97 \xE2\x80\x94 b") == "a — — b");  // both spellings of a dash in one line
  CHECK(repaired("\xE9") == "é");
  CHECK(repaired("\xE2\x80") == "â€");                   // cut short
  CHECK(repaired("\xC0\xAF") == "À¯");                   // overlong
  CHECK(repaired("\xED\xA0\x80") == "í\xC2\xA0€");       // surrogate
  CHECK(repaired("\xF4\x90\x80\x80") == "ô\xC2\x90€€");  // above U+10FFFF
  CHECK(repaired("\x81\xFF") == "\xC2\x81ÿ");
}

TEST_CASE("text_file: lines") {
  const TempFolder folder;
  LineReader in(folder.write("a.txt",
                             "\xEF\xBB\xBF"
                             "one\r\ntwo \xE9\n\nlast\rone"));
  std::string line;
  CHECK((in.next(line) && line == "one"));
  CHECK((in.next(line) && line == "two é"));
  CHECK((in.next(line) && line.empty()));
  CHECK((in.next(line) && line == "last\rone"));
  CHECK(in.line() == 4);
  CHECK(in.repaired() == 1);
  CHECK_FALSE(in.next(line));
  CHECK(contains(error_of([&] { LineReader(folder.path("none.txt")); }), "none.txt does not exist"));
  CHECK(contains(error_of([&] { LineReader(folder.path("")); }), "is a folder, not a file"));
  CHECK(contains(error_of([] { LineReader("/dev/null"); }), "/dev/null is a pipe or a device, not a file"));
  LineReader utf16(folder.write("b.txt", std::string("\xFF\xFE"
                                                     "a\0",
                                                     4)));
  CHECK(contains(error_of([&] { utf16.next(line); }), "is UTF-16; save it as UTF-8"));
}

TEST_CASE("text_file: CSV quoting") {
  CHECK(csv("a,b\n1,\"x, \"\"y\"\"\"\n") == std::vector<Cells>{{"a", "b"}, {"1", "x, \"y\""}});
  CHECK(csv("\"two\r\nlines\n\nand a gap\",z") == std::vector<Cells>{{"two\nlines\n\nand a gap", "z"}});
  CHECK(csv("a,,\n\n,\n\"\",\"\"") == std::vector<Cells>{{"a", "", ""}, {"", ""}, {"", ""}});
  CHECK(csv("a,b\n   \nc,d\n") == std::vector<Cells>{{"a", "b"}, {"c", "d"}});
  CHECK(csv("it's 5\" wide,b") == std::vector<Cells>{{"it's 5\" wide", "b"}});
  CHECK(csv("").empty());
  CHECK(contains(error_of([] { csv("a\n\"b\nc"); }), "a.csv:2: the quote opened in this record is never closed"));
  CHECK(contains(error_of([] { csv("a\n\"b\"c"); }), "a.csv:2: text follows a closing quote"));
}

TEST_CASE("records: suffixes, headers and keys") {
  CHECK(table_format("x/A.TSV") == TableFormat::tsv);
  CHECK(table_format("a.jsonl") == TableFormat::jsonl);
  CHECK(contains(error_of([] { table_format("a.txt"); }), "a.txt: the suffix must be .tsv, .csv, .jsonl or .json"));
  const TempFolder folder;
  const auto open = [&](const std::string& name, const std::string& content, TableFormat format) {
    return RecordReader(folder.write(name, content), {.format = format, .names = {"text", "label"}, .required = 2});
  };
  CHECK(contains(error_of([&] { open("e.tsv", "", TableFormat::tsv); }), "e.tsv is empty"));
  CHECK(contains(error_of([&] { open("h.tsv", "txt\tlabel\n", TableFormat::tsv); }),
                 "h.tsv:1: no column `text`; the header has: txt, label"));
  std::vector<Cell> cells;
  RecordReader wide = open("w.tsv", "label\ttext\n1\ta \"quote\n0\tb\tc\n", TableFormat::tsv);
  CHECK(wide.next(cells) == RecordReader::Status::row);
  CHECK(cells[0].text == "a \"quote");
  CHECK(contains(error_of([&] { wide.next(cells); }), "w.tsv:3: expected 2 columns, found 3"));
  RecordReader json =
      open("j.jsonl", "{\"text\": \"caf\xE9\", \"label\": 1.0}\n\n{\"text\": \"b\"}\n[1]\n", TableFormat::jsonl);
  CHECK(json.next(cells) == RecordReader::Status::row);
  CHECK(cells[0].text == "café");
  CHECK(cells[1].text == "1.0");
  CHECK(contains(error_of([&] { json.next(cells); }), "j.jsonl:3: no value for `label`"));
  CHECK(contains(error_of([&] { json.next(cells); }), "j.jsonl:4: not a JSON object"));
  for (const char* content :
       {"{\"text\": \"a\", \"label\": 1}\n \t \n{\"text\": \"b\", \"label\": \"2\"}\n",
        "\xEF\xBB\xBF[{\"text\": \"a\",\r\n \"label\": 1}, {\"text\": \"b\", \"label\": \"2\"}]\r\n"}) {
    RecordReader rows = open("l.JSON", content, TableFormat::jsonl);
    REQUIRE(rows.next(cells) == RecordReader::Status::row);
    CHECK(cells[1].text == "1");
    CHECK(rows.line() == 1);
    REQUIRE(rows.next(cells) == RecordReader::Status::row);
    CHECK(cells[0].text == "b");
    CHECK(cells[1].quoted);
    CHECK(rows.next(cells) == RecordReader::Status::end);
    CHECK(rows.next(cells) == RecordReader::Status::end);
  }
  RecordReader blanks = open("b.tsv", "text\tlabel\n  \na\t1\n \n", TableFormat::tsv);
  CHECK(blanks.next(cells) == RecordReader::Status::row);
  CHECK(blanks.where() == folder.path("b.tsv") + ":3");
  CHECK(blanks.next(cells) == RecordReader::Status::end);
}
