#include "apps/data/question_files.h"

#include <nlohmann/json.hpp>

#include "apps/data/json_records.h"
#include "tests/data/temp_folder.h"

using namespace lowland;
using namespace lowland::test;

namespace {

// The message for one file of that content.
std::string vqa_error(const std::string& content) {
  const TempFolder folder;
  const std::string file = folder.write("q.jsonl", content);
  return error_of([&] { read_vqa(file, "", ""); });
}

std::string llava_error(const std::string& content) {
  const TempFolder folder;
  const std::string file = folder.write("q.json", content);
  return error_of([&] { read_llava(file, ""); });
}

}  // namespace

TEST_CASE("json records: lines or a list, each with its place") {
  const TempFolder folder;
  const auto places = [&](const std::string& content) {
    const std::string file = folder.write("r.json", content);
    std::string out;
    for_each_json_record(file, [&](const nlohmann::json& r, const std::string& where) {
      out += where.substr(file.size()) + "=" + r.dump() + ";";
    });
    return out;
  };
  CHECK(places("{\"a\": 1}\n\n{\"b\": [{}, 2]}\n") == ":1={\"a\":1};:3={\"b\":[{},2]};");
  CHECK(places("[{\"a\": 1}, {\"a\": 2}]") == ":1 (record 1)={\"a\":1};:1 (record 2)={\"a\":2};");
  CHECK(places("\n[\n  {\"a\":\n {\"b\": [[]]}},\n  {}\n]\n") ==
        ":3 (record 1)={\"a\":{\"b\":[[]]}};:5 (record 2)={};");
  CHECK(contains(error_of([&] { places("{\"a\": 1}\n{\"a\": \n"); }), "r.json:2: not JSON"));
  CHECK(contains(error_of([&] { places("[{\"a\": 1},\n{\"a\": ]"); }), "r.json:2: not JSON (after 1 whole records)"));
  CHECK(contains(error_of([&] { places("[{},\n{},\n 7]"); }), "r.json:3 (record 3): not a JSON object"));
  CHECK(contains(error_of([&] { places("[{}, [1]]"); }), "(record 2): not a JSON object"));
  CHECK(contains(error_of([&] { places("[]"); }), "holds no record"));
  CHECK(contains(error_of([&] { places(" \n"); }), "holds no record"));
  CHECK(places("[{\"a\": \"]}, {\\\" [\"}]") == ":1 (record 1)={\"a\":\"]}, {\\\" [\"};");
  CHECK(contains(error_of([&] { places("[{}"); }),
                 "r.json:1: not JSON (after 1 whole records): the list is never closed"));
  CHECK(
      contains(error_of([&] { places("[{\n\"a\": [1}\n"); }), "r.json:1: not JSON (after 0 whole records): an object"));
  CHECK(contains(error_of([&] { places("[{}\n{}]"); }),
                 "r.json:2: not JSON (after 1 whole records): a comma is missing"));
  CHECK(contains(error_of([&] { places("[{},]"); }), "not a JSON object"));
  CHECK(contains(error_of([&] { places("[{}]\n{}"); }), "r.json:2: not JSON (after 1 whole records): text follows"));
  CHECK(
      contains(error_of([&] { places("{\n \"data\": []\n}"); }), "a file holds one list of objects, or an object on"));
  CHECK(contains(error_of([&] { places("3\n"); }), "r.json:1: not a JSON object"));
}

TEST_CASE("vqa: one answer, several, none; pictures before the question or where it says") {
  const TempFolder folder;
  const std::string file = folder.write("q.jsonl",
                                        R"({"image": "a.png", "question": "what colour?", "answer": "red", "id": 7}
{"image": ["a.png", "b.png"], "question": "which is <image> and which <image>?", "answers": ["x", "y", "y"]}
{"question": "2 and 2?", "answer": 4, "question_id": "q3"}
{"image": "c.jpg", "question": "what?", "answers": [{"answer": "no", "answer_confidence": "yes"}]}
{"image": "d.jpg", "question": "which?", "choices": ["cat", "dog"], "answer": "dog"}
{"image": "d.jpg", "question": "which?", "choices": [10, 20], "answer": 1}
)");
  const std::vector<Question> q = read_vqa(file, "/pictures", "Be brief.");
  REQUIRE(q.size() == 6);
  CHECK(q[0].images == std::vector<std::string>{"/pictures/a.png"});
  CHECK(q[0].messages[0].role == "user");
  CHECK(q[0].messages[0].content == "<image>\nwhat colour?\nBe brief.");
  CHECK(q[0].messages[1].role == "assistant");
  CHECK(q[0].messages[1].content == "red");
  CHECK(q[0].id == "7");
  CHECK(q[0].where == file + ":1");
  CHECK(q[1].messages[0].content == "which is <image> and which <image>?\nBe brief.");
  CHECK(q[1].messages[1].content == "y");
  CHECK(q[1].answers.size() == 3);
  CHECK(q[2].images.empty());
  CHECK(q[2].messages[0].content == "2 and 2?\nBe brief.");
  CHECK(q[2].messages[1].content == "4");
  CHECK(q[2].id == "q3");
  CHECK(q[3].answers == std::vector<std::string>{"no"});
  CHECK(q[4].choice == 1);
  CHECK(q[5].answers == std::vector<std::string>{"20"});
  const std::string open = folder.write("test.jsonl", R"({"image": "a.png", "question": "what?"})");
  const std::string other =
      folder.write("other.jsonl", R"({"picture": "a.png", "ask": "what?", "reply": "a cat", "answer": 3})");
  const Columns columns("image=picture,question=ask,answer=reply", question_columns());
  const Question renamed = read_vqa(other, "p", "", columns)[0];
  CHECK(renamed.images == std::vector<std::string>{"p/a.png"});
  CHECK(renamed.answers == std::vector<std::string>{"a cat"});
  CHECK(error_of([&] { read_vqa(open, "", "", columns); }).find("which --columns names") != std::string::npos);
  CHECK(read_vqa(open, "", "")[0].messages.size() == 1);
  CHECK(!read_vqa(open, "", "")[0].labelled());
}

TEST_CASE("vqa: what is refused, and where") {
  CHECK(contains(vqa_error("{\"image\": \"a\", \"answer\": \"b\"}"), "q.jsonl:1: no `question`"));
  CHECK(contains(vqa_error("{\"question\": 3}"), "q.jsonl:1: question is not a text"));
  CHECK(contains(vqa_error("\n{\"image\": 3, \"question\": \"q\"}"), "q.jsonl:2: image is not the name"));
  CHECK(contains(vqa_error("{\"img\": \"a\", \"question\": \"q\"}"),
                 "q.jsonl:1: there is `img`, but the key of a picture's file is `image`"));
  CHECK(contains(vqa_error("{\"image\": \"\", \"question\": \"q\"}"), "image is not the name"));
  CHECK(contains(vqa_error("{\"image\": \"a\", \"question\": \"<image> and <image>\"}"),
                 "q.jsonl:1: 2 times <image> in the text, but 1 pictures"));
  CHECK(contains(vqa_error("{\"question\": \"what is <image>?\"}"), "1 times <image> in the text, but 0 pictures"));
  CHECK(contains(vqa_error("{\"image\": \"a\", \"question\": \"q\", \"answer\": \"an <image>\"}"),
                 "<image> in a message of the assistant"));
  CHECK(contains(vqa_error("{\"question\": \"q\", \"answers\": []}"), "answers is not a list"));
  CHECK(contains(vqa_error("{\"question\": \"q\", \"answers\": [{\"text\": 1}]}"), "has no `answer`"));
  CHECK(contains(vqa_error("{\"question\": \"q\", \"answer\": [1]}"), "answer holds a list or an object, not a text"));
  CHECK(contains(vqa_error("{\"question\": \"q\", \"answer\": \" \"}"), "q.jsonl:1: the answer is empty"));
  CHECK(contains(vqa_error("{\"question\": \"q\", \"choices\": [\"a\", \"b\", \"a\"]}"),
                 "q.jsonl:1: the choice `a` is there twice"));
  CHECK(contains(vqa_error("{\"question\": \"q\", \"answer\": \"c\", \"choices\": [\"a\", \"b\"]}"),
                 "q.jsonl:1: the answer `c` is not among the choices: a, b"));
  CHECK(contains(vqa_error("{\"question\": \"q\", \"answer\": 2, \"choices\": [\"a\", \"b\"]}"), "is not among"));
  CHECK(contains(vqa_error("{\"question\": \"q\", \"answer\": \"a\", \"choices\": [\"a\"]}"), "two or more"));
}

TEST_CASE("llava: conversations with pictures, several, and none") {
  const TempFolder folder;
  const std::string file = folder.write("q.json", R"([
  {"id": "1", "image": "a.jpg", "conversations": [
    {"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A cat."},
    {"from": "human", "value": "Sure?"}, {"from": "gpt", "value": "Yes."}]},
  {"id": "2", "image": ["a.jpg", "b.jpg"], "conversations": [
    {"from": "system", "value": "S"}, {"from": "human", "value": "<image><image> Same?"},
    {"from": "gpt", "value": "No."}]},
  {"id": 3, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]}
])");
  const std::vector<Question> q = read_llava(file, "pictures");
  REQUIRE(q.size() == 3);
  CHECK(q[0].messages.size() == 4);
  CHECK(q[0].messages[3].content == "Yes.");
  CHECK(q[0].images == std::vector<std::string>{"pictures/a.jpg"});
  CHECK(q[1].messages[0].role == "system");
  CHECK(q[1].images.size() == 2);
  CHECK(q[1].where == file + ":5 (record 2)");
  CHECK(q[2].images.empty());
  CHECK(q[2].id == "3");
  const std::string turn = R"("conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}])";
  CHECK(contains(llava_error("[{\"image\": \"a\", " + turn + "}]"), "q.json:1 (record 1): 0 times <image>"));
  CHECK(contains(llava_error("[{\"image\": \"a\"}]"), "(record 1): no `conversations`"));
  CHECK(contains(llava_error(R"([{"conversations": [{"from": "cat", "value": "Q"}]}])"), "role cat is none of"));
  CHECK(contains(llava_error(R"([{"conversations": [{"from": "gpt", "value": "A"},
                                                    {"from": "human", "value": "Q"}]}])"),
                 "the last message is not the assistant's"));
}

TEST_CASE("captions: the picture is the question") {
  const TempFolder folder;
  const std::string file = folder.write("c.csv", "image,caption\na.jpg,A dog .\na.jpg,\"Dogs, two\"\n");
  const std::vector<Question> q = read_captions(file, "p", "");
  REQUIRE(q.size() == 2);
  CHECK(q[0].messages[0].content == "<image>");
  CHECK(q[1].messages[1].content == "Dogs, two");
  CHECK(q[1].where == file + ":3");
  CHECK(read_captions(file, "p", "Describe it.")[0].messages[0].content == "<image>\nDescribe it.");
  const auto refusal = [&](const std::string& text) {
    const std::string bad = folder.write("bad.csv", text);
    return error_of([&] { read_captions(bad, "", ""); });
  };
  CHECK(contains(refusal("file,caption\na,b\n"), "no column `image`"));
  CHECK(contains(refusal("image,caption\na,b,c\n"), "bad.csv:2: expected 2 columns"));
  CHECK(contains(refusal("image,caption\na, \n"), "bad.csv:2: the caption is empty"));
  CHECK(contains(refusal("image,caption\n,b\n"), "bad.csv:2: the name of the image is missing"));
  CHECK(contains(refusal("image,caption\n"), "holds no caption"));
}
