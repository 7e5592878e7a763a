#include "apps/data/language_records.h"

#include <doctest/doctest.h>

#include "apps/data/documents.h"
#include "engine/error.h"
#include "tests/data/temp_folder.h"

using namespace lowland;
using test::TempFolder;

TEST_CASE("language records: the shapes that people have") {
  const TempFolder folder;
  const std::string file = folder.write("a.jsonl",
                                        R"({"text": "all of it"}
{"prompt": "Q", "completion": " A", "id": 7}

{"instruction": "Add.", "input": "1 2", "output": "3"}
{"instruction": "Sing.", "output": "La"}
{"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}, )"
                                        R"({"role": "assistant", "content": "A"}]}
{"conversations": [{"from": "human", "value": "U"}, {"from": "gpt", "value": "A"}]}
)");
  const std::vector<LanguageRecord> r = read_language_records(file);
  REQUIRE(r.size() == 6);
  CHECK(r[0].prompt.empty());
  CHECK(r[0].completion == "all of it");
  CHECK(r[1].prompt == "Q");
  CHECK(r[1].completion == " A");
  CHECK(r[2].where == file + ":4");
  CHECK(r[2].prompt.find("### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:") != std::string::npos);
  CHECK(r[3].prompt.find("### Input:") == std::string::npos);
  CHECK(r[3].completion == "La");
  REQUIRE(r[4].messages.size() == 3);
  CHECK(r[4].messages[0].role == "system");
  REQUIRE(r[5].messages.size() == 2);
  CHECK(r[5].messages[0].role == "user");
  CHECK(r[5].messages[1].role == "assistant");
}

TEST_CASE("language records: a list in one file") {
  const TempFolder folder;
  const std::string file = folder.write("alpaca_data.JSON",
                                        "[\n {\"instruction\": \"Say hi.\",\n  \"input\": \"\", \"output\": \"hi\"},\n"
                                        " {\"text\": \"x\"}\n]\n");
  const std::vector<LanguageRecord> r = read_language_records(file);
  REQUIRE(r.size() == 2);
  CHECK(r[0].completion == "hi");
  CHECK(r[1].where == file + ":4 (record 2)");
}

TEST_CASE("language records: what is wrong is named with its line") {
  const TempFolder folder;
  const auto refused = [&](const std::string& line, const std::string& message) {
    const std::string file = folder.write("bad.jsonl", "{\"text\": \"fine\"}\n" + line + "\n");
    CHECK_THROWS_WITH_AS(read_language_records(file), (file + ":2: " + message).c_str(), Error);
  };
  const std::string shapes = "expected text; prompt and completion; instruction and output; messages; or conversations";
  refused("{\"text\": ", "not JSON; a file holds one list of objects, or an object on each line");
  refused("[1]", "not a JSON object");
  refused(R"({"prompt": "alone"})", "no field to learn from; " + shapes);
  refused(R"({"text": 5})", "text is not a text");
  refused(R"({"messages": []})", "messages must be a list of messages, at least one");
  refused(R"({"messages": [{"role": "tool", "content": "x"}]})",
          "role tool is none of system, user, assistant (human, gpt)");
  refused(R"({"messages": [{"role": "user"}]})", "a message lacks role or content");
  refused(R"({"messages": [{"role": "user", "content": "x"}]})",
          "no message is an assistant's: there is nothing to learn");
  const std::string empty = folder.write("empty.jsonl", "\n");
  CHECK_THROWS_WITH_AS(read_language_records(empty), (empty + " holds no example").c_str(), Error);
}

TEST_CASE("documents: runs of lines between blank lines, or single lines") {
  const TempFolder folder;
  const std::string file = folder.write("t.txt", "\none\r\ntwo\n \n\nthree");
  const auto all = [&](bool line_by_line) {
    std::vector<std::string> out;
    for_each_document({file}, line_by_line, [&](const std::string& text) { out.push_back(text); });
    return out;
  };
  CHECK(all(false) == std::vector<std::string>{"one\ntwo", "three"});
  CHECK(all(true) == std::vector<std::string>{"one", "two", "three"});
  const std::string blank = folder.write("blank.txt", "\n \n");
  CHECK_THROWS_WITH_AS(for_each_document({blank}, false, [](const std::string&) {}), (blank + " holds no text").c_str(),
                       Error);
}
