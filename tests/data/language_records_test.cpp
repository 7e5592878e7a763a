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
  refused(R"({"messages": [{"role": "robot", "content": "x"}]})",
          "role robot is none of system, user, assistant, tool (human, gpt, observation)");
  refused(R"({"messages": [{"role": "user"}]})", "a message lacks role or content");
  refused(R"({"messages": [{"role": "user", "content": "x"}]})",
          "no message is an assistant's: there is nothing to learn");
  const std::string empty = folder.write("empty.jsonl", "\n");
  CHECK_THROWS_WITH_AS(read_language_records(empty), (empty + " holds no example").c_str(), Error);
}

TEST_CASE("language records: names of one's own, in every format") {
  const TempFolder folder;
  const auto read = [&](const std::string& name, const std::string& text, const std::string& columns) {
    return read_language_records(folder.write(name, text), language_columns(columns));
  };
  const auto check = [](const std::vector<LanguageRecord>& r) {
    REQUIRE(r.size() == 2);
    CHECK(r[0].prompt == "2 + 2?");
    CHECK(r[0].completion == " four, \"4\"");
    CHECK(r[1].completion == "no\tidea");
  };
  const std::string own = "prompt=question,completion=answer";
  check(read("a.jsonl",
             R"({"answer": " four, \"4\"", "text": "x", "question": "2 + 2?"})"
             "\n"
             R"({"question": "?", "answer": "no\tidea"})",
             own));
  check(read("a.csv", "id,question,answer\n1,2 + 2?,\" four, \"\"4\"\"\"\n2,?,no\tidea\n", own));
  CHECK(read("a.tsv", "prompt\tcompletion\n\"Q\"\t A\n", "").at(0).prompt == "\"Q\"");
  CHECK(read("a.csv", "prompt,completion\nQ,A\n", "text=completion").at(0).completion == "A");
  CHECK(read("a.csv", "prompt,completion\nQ,A\n", "text=completion").at(0).prompt.empty());
  CHECK(read("a.csv", "prompt,completion\nQ,A\n", "prompt=completion,completion=prompt").at(0).prompt == "A");
  CHECK(read("a.csv", "instruction,response\nQ,A\n", "output=response").at(0).completion == "A");
  const std::string turns =
      R"([{""role"": ""user"", ""content"": ""U""}, {""role"": ""assistant"", ""content"": ""A""}])";
  CHECK(read("a.csv", "messages\n\"" + turns + "\"\n", "").at(0).messages.at(1).content == "A");

  const auto refused = [&](const std::string& columns, const std::string& message) {
    CHECK_THROWS_WITH_AS(language_columns(columns), message.c_str(), Error);
  };
  refused("prompt", "--columns takes NAME=COLUMN,NAME=COLUMN, not `prompt`");
  refused("text=a,text=b", "--columns text=a,text=b: text is there twice");
  refused("text=a,prompt=b", "--columns text=a,prompt=b: these are names of different kinds of records");
  CHECK_THROWS_WITH_AS(language_columns("question=a"), doctest::Contains("question is none of text, prompt"), Error);
  CHECK_THROWS_WITH_AS(read("b.jsonl", "{\"text\": \"x\"}\n", "text=body"),
                       doctest::Contains("b.jsonl:1: no `body`, which --columns names"), Error);
  CHECK_THROWS_WITH_AS(read("b.csv", "text,n\nx,1\ny\n", ""), doctest::Contains(":3: expected 2 columns, found 1"),
                       Error);
  CHECK_THROWS_WITH_AS(read("b.csv", "messages\nhello\n", ""), doctest::Contains("messages holds no JSON list"), Error);
  CHECK_THROWS_WITH_AS(read("b.parquet", "PAR1", ""), doctest::Contains("to_json("), Error);
}

TEST_CASE("language records: a prompt and a completion of messages") {
  const TempFolder folder;
  const auto read = [&](const std::string& line) {
    return read_language_records(folder.write("a.jsonl", line + "\n")).at(0);
  };
  const LanguageRecord r =
      read(R"({"system": "S", "prompt": [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}, )"
           R"({"role": "user", "content": [{"type": "text", "text": "3"}]}], )"
           R"("completion": [{"role": "assistant", "content": "4"}], "tools": [{"name": "f"}]})");
  REQUIRE(r.messages.size() == 5);
  CHECK(r.messages[0].role == "system");
  CHECK(!r.messages[2].learn);
  CHECK(r.messages[4].learn);
  CHECK(r.messages[4].content == "4");
  CHECK(r.tools == R"([{"name":"f"}])");
  CHECK_THROWS_WITH_AS(read(R"({"prompt": [{"role": "user", "content": "1"}], "completion": "4"})"),
                       doctest::Contains("prompt is a list of messages, and completion is none"), Error);
}

TEST_CASE("language records: a ShareGPT dump, one list over many lines") {
  const TempFolder folder;
  const std::string dump = folder.write("dump.json", R"([
  {
    "id": "a_0",
    "conversations": [
      {"from": "human", "value": "U ] }"},
      {"from": "gpt", "value": "A"}
    ]
  },
  {"id": "a_1", "conversations": [{"from": "system", "value": "S"}, {"from": "human", "value": "V"},
    {"from": "gpt", "value": "B"}]}
]
)");
  const std::vector<LanguageRecord> r = read_language_records(dump);
  REQUIRE(r.size() == 2);
  CHECK(r[0].messages.at(0).content == "U ] }");
  CHECK(r[1].messages.at(2).content == "B");
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

TEST_CASE("language records: what stands beside a conversation is used or refused, never dropped") {
  const TempFolder folder;
  const auto read = [&](const std::string& line) {
    return read_language_records(folder.write("a.jsonl", line + "\n")).at(0);
  };
  const auto refused = [&](const std::string& line, const std::string& message) {
    const std::string file = folder.write("a.jsonl", line + "\n");
    CHECK_THROWS_WITH_AS(read_language_records(file), (file + ":1: " + message).c_str(), Error);
  };
  const std::string turns = R"([{"from": "human", "value": "U"}, {"from": "gpt", "value": "A"}])";
  const LanguageRecord system = read(R"({"conversations": )" + turns + R"(, "system": "S"})");
  REQUIRE(system.messages.size() == 3);
  CHECK(system.messages[0].role == "system");
  CHECK(system.messages[0].content == "S");
  CHECK(read(R"({"conversations": )" + turns + R"(, "system": "", "tools": "[]"})").messages.size() == 2);
  refused(R"({"conversations": [{"from": "system", "value": "T"}, {"from": "gpt", "value": "A"}], "system": "S"})",
          "there is `system`, and a message of that role: which counts?");
  refused(R"({"conversations": )" + turns + R"(, "system": 5})", "system is not a text");

  const LanguageRecord tools =
      read(R"({"messages": [{"role": "user", "content": "U"}, {"role": "assistant", "content": null, "tool_calls": )"
           R"([{"function": {"name": "f", "arguments": {"z": 1, "a": 2}}}]}, {"role": "tool", "content": "5", )"
           R"("name": "f"}, {"role": "assistant", "content": "A"}], "tools": "[{\"name\": \"f\"}]", )"
           R"("chat_template_kwargs": {"enable_thinking": false}})");
  CHECK(tools.tools == R"([{"name":"f"}])");
  CHECK(tools.variables == R"({"enable_thinking":false})");
  CHECK(tools.messages[1].json ==  // in the order they were written
        R"({"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{"z":1,"a":2}}}]})");
  CHECK(tools.messages[2].json == R"({"role":"tool","content":"5","name":"f"})");
  CHECK(tools.messages[3].json.empty());
  refused(R"({"conversations": )" + turns + R"(, "tools": "none"})", "tools is no list, and no text of one");
  refused(R"({"conversations": )" + turns + R"(, "chat_template_kwargs": 1})", "chat_template_kwargs is no object");

  const std::string head = R"({"messages": [{"role": "user", "content": "U"}, {"role": "assistant", )";
  CHECK(!read(head + R"("content": "A", "weight": 0}]})").messages[1].learn);
  CHECK(!read(head + R"("content": "A", "train": false}]})").messages[1].learn);
  CHECK(read(head + R"("content": "A", "weight": 1}]})").messages[1].learn);
  CHECK(read(head + R"("content": "A", "weight": 0}]})").messages[1].json.empty());
  refused(head + R"("content": "A", "weight": 0.5}]})", "weight of a message is 0.5, neither 0 nor 1");
  CHECK(read(head + R"("content": [{"type": "text", "text": "A"}]}]})").messages[1].json ==
        R"({"role":"assistant","content":[{"type":"text","text":"A"}]})");
  refused(head + R"("content": [{"type": "image"}]}]})",
          "a part of a content is of type image: only text is learnt here");
  refused(head + R"("content": 5}]})", "content is not a text");
  refused(head + R"("content": null}]})", "content is not a text");

  for (const char* key : {"system", "history", "tools"}) {
    const std::string there = fmt::format(R"("{}": ["x"])", key), empty = fmt::format(R"("{}": [])", key);
    const std::string message =
        fmt::format("there is `{}` beside a prompt, which has no place for it: write the record as messages", key);
    refused(R"({"instruction": "I", "output": "O", )" + there + "}", message);
    refused(R"({"prompt": "I", "completion": "O", )" + there + "}", message);
    CHECK(read(R"({"instruction": "I", "output": "O", )" + empty + "}").completion == "O");
  }
}
