#include <algorithm>
#include <functional>
#include <map>

#include "apps/data/dataset.h"
#include "tests/data/temp_folder.h"

using namespace lowland;
using namespace lowland::test;

using Labels = std::vector<std::string>;

namespace {

constexpr LoadOptions kTrainOnly = {.train = true, .dev = false};

TextFiles train_file(const std::string& path) {
  TextFiles files;
  files.train = path;
  return files;
}

std::string rows(int n, const std::function<std::string(int)>& label) {
  std::string text = "text\tlabel\n";
  for (int i = 0; i < n; ++i) text += fmt::format("row {}\t{}\n", i, label(i));
  return text;
}

}  // namespace

TEST_CASE("load_text: CSV, TSV and JSONL; labels sorted") {
  const TempFolder f;
  const TextDataset csv = load_text(
      train_file(f.write("a.csv", "label,text\nneg,\"two\nlines, \"\"quoted\"\"\"\nPos,x\nneg,y\n")), kTrainOnly);
  CHECK(csv.task.labels == Labels{"Pos", "neg"});
  CHECK(csv.train.examples[0].text_a == "two\nlines, \"quoted\"");
  CHECK(csv.train.examples[0].label == 1);
  CHECK(csv.train.examples[1].line == 4);
  CHECK(csv.task.num_labels == 2);
  const TextDataset tsv = load_text(train_file(f.write("a.tsv", "text\tlabel\na\t10\nb\t9\n")), kTrainOnly);
  CHECK(tsv.task.labels == Labels{"9", "10"});
  CHECK_FALSE(tsv.task.regression);
  TextFiles files =
      train_file(f.write("a.jsonl", "{\"q\":\"a\",\"p\":\"b\",\"y\":true}\n{\"q\":\"c\",\"p\":\"d\",\"y\":false}\n"));
  files.text_column = std::string("q");
  files.pair_column = std::string("p");
  files.label_column = std::string("y");
  const TextDataset json = load_text(files, kTrainOnly);
  CHECK(json.task.labels == Labels{"false", "true"});
  CHECK(json.task.pair);
  CHECK(json.train.examples[1].text_b == "d");
  CHECK(json.task.label_column == "y");
}

TEST_CASE("load_text: float labels mean regression, integers and JSON strings classes") {
  const TempFolder f;
  const TextDataset mixed =
      load_text(train_file(f.write("a.tsv", "text\tlabel\na\t1\nb\t-2.5e1\nc\t-2.5e1\n")), kTrainOnly);
  CHECK(mixed.task.regression);
  CHECK(mixed.task.num_labels == 1);
  CHECK(mixed.task.primary_metric == "pearson");
  CHECK(mixed.train.examples.size() == 2);
  CHECK(mixed.train.examples.back().score == -25);
  CHECK(load_text(train_file(f.write("b.tsv", "text\tlabel\na\t1.0\nb\t1.0\n")), kTrainOnly).task.regression);
  CHECK(load_text(train_file(f.write("c.jsonl", "{\"text\":\"a\",\"label\":1.0}\n{\"text\":\"b\",\"label\":2}\n")),
                  kTrainOnly)
            .task.regression);
  CHECK_FALSE(load_text(train_file(f.write("d.jsonl",
                                           "{\"text\":\"a\",\"label\":\"1.5\"}\n{\"text\":\"b\",\"label\":\"2.5\"}\n")),
                        kTrainOnly)
                  .task.regression);
  CHECK_FALSE(load_text(train_file(f.write("e.tsv", "text\tlabel\na\t1.5\nb\tx\n")), kTrainOnly).task.regression);
  CHECK(
      contains(error_of([&] { load_text(train_file(f.write("g.tsv", "text\tlabel\na\t1.5\nb\tnan\n")), kTrainOnly); }),
               "g.tsv:3: the score `nan` is not a number"));
}

TEST_CASE(
    "load_text: blanks around numbers mean nothing, as pandas reads them; labels that differ in blanks are refused") {
  const TempFolder f;
  TextFiles files = train_file(f.write("a.csv", "text,label\na, 0\nb, 1\nc,01\n"));
  files.dev = f.write("d.csv", "text,label\na,1\nb, 0\n");
  const TextDataset data = load_text(files, {});
  CHECK(data.task.labels == Labels{"0", "1"});
  CHECK(data.train.examples[2].label == 1);
  CHECK(data.dev.examples[1].label == 0);
  CHECK(load_text(train_file(f.write("b.csv", "text,label\na, 0.5\nb, 1\n")), kTrainOnly).task.regression);
  CHECK(contains(error_of([&] { load_text(train_file(f.write("c.csv", "text,label\na, x\nb,x\n")), kTrainOnly); }),
                 "the labels ` x` and `x` differ in blanks only"));
}

TEST_CASE("load_text: dev drawn by seed and stratified, or given") {
  const TempFolder f;
  const std::string train = f.write("t.tsv", rows(200, [](int i) { return i % 4 == 0 ? "a" : i == 7 ? "rare" : "b"; }));
  const auto dev_rows = [&](uint64_t seed) {
    std::vector<int64_t> lines;
    for (const Example& e : load_text(train_file(train), {.seed = seed}).dev.examples) lines.push_back(e.line);
    return lines;
  };
  const TextDataset data = load_text(train_file(train), {});
  CHECK(data.dev.carved);
  CHECK(data.train.examples.size() == 180);
  std::map<std::string, int> count;
  for (const Example& e : data.dev.examples) ++count[e.label_name];
  CHECK(count["a"] == 5);
  CHECK(count["b"] == 15);
  CHECK(count.count("rare") == 0);
  CHECK(dev_rows(1) == dev_rows(1));
  CHECK(dev_rows(1) != dev_rows(2));
  const std::string single = f.write("s.tsv", "text\tlabel\na\tx\nb\ty\n");
  CHECK(load_text(train_file(single), kTrainOnly).train.examples.size() == 2);
  CHECK(contains(error_of([&] { load_text(train_file(single), {}); }), "s.tsv: no label has two examples"));
  const auto lines = dev_rows(1);
  CHECK(std::is_sorted(lines.begin(), lines.end()));
  CHECK(load_text(train_file(train), {.dev_fraction = 0.5}).dev.examples.size() == 100);
  const TextDataset whole = load_text(train_file(train), {.dev_fraction = 0});
  CHECK(whole.train.examples.size() == 200);
  CHECK(whole.dev.examples.empty());
  CHECK(contains(error_of([&] { load_text(train_file(train), {.dev_fraction = 1}); }),
                 "the dev fraction must be between 0 and 1"));
  TextFiles files = train_file(train);
  files.dev = f.write("d.csv", "text,label\nx,b\n");
  CHECK(load_text(files, {}).dev.examples[0].label_name == "b");
  CHECK(load_text(files, {}).train.examples.size() == 200);
}

TEST_CASE("load_text: known labels, test without labels") {
  const TempFolder f;
  TextFiles files;
  files.test = f.write("t.tsv", "text\nx\n");
  files.dev = f.write("d.tsv", "text\tlabel\nx\tno\ny\tyes\n");
  const LoadOptions eval = {.train = false, .dev = true, .test = true};
  const TextDataset data = load_text(files, eval, text_task({"no", "yes"}, false));
  CHECK_FALSE(data.test.labelled);
  CHECK(data.dev.examples[1].label == 1);
  CHECK(data.dev.examples[1].label_name == "yes");
  CHECK(data.test.examples[0].label == -1);
  CHECK(contains(error_of([&] { load_text(files, eval); }), "the labels are not known: give --train FILE"));
  CHECK(contains(error_of([&] { load_text(files, eval, text_task({"no", "yes"}, true)); }), "give --text-pair-column"));
}

TEST_CASE("load_text: mistakes are named with file and line") {
  const TempFolder f;
  const auto message = [&](const std::string& name, const std::string& content) {
    return error_of([&] { load_text(train_file(f.write(name, content)), kTrainOnly); });
  };
  CHECK(contains(message("a.tsv", "text\tlabel\na\tx\nb\ty\tz\n"), "a.tsv:3: expected 2 columns, found 3"));
  CHECK(contains(message("b.csv", "text,label\n\"a\nb\",x\nc\n"), "b.csv:4: expected 2 columns, found 1"));
  CHECK(contains(message("c.jsonl", "{\"text\":\"a\"}\n"), "c.jsonl:1: no value for `label`"));
  CHECK(contains(message("d.txt", "a"), "the suffix must be .tsv, .csv, .jsonl or .json"));
  CHECK(contains(message("e.csv", ""), "e.csv is empty"));
  CHECK(contains(message("f.jsonl", ""), "f.jsonl holds no example"));
  CHECK(contains(message("g.csv", "text,label\n"), "g.csv holds no example"));
  CHECK(contains(message("h.csv", "sentence,label\na,b\n"),
                 "h.csv:1: no column `text`; the header has: sentence, label"));
  CHECK(contains(message("i.csv", "text,label\na,b\nc,b\n"), "every row has the label `b`"));
  CHECK(contains(message("j.csv", "text,label\na,\n"), "j.csv:2: `label` is empty"));
  CHECK(contains(message("k.csv", "text,label\n\"a,b\n"), "k.csv:2: the quote opened"));
  TextFiles files = train_file(f.write("t.csv", "text,label\na,x\nb,y\n"));
  files.dev = f.write("d.csv", "text,label\na,x\nb,z\n");
  CHECK(contains(error_of([&] { load_text(files, {}); }), "d.csv:3: label `z` is not one of task text: x, y"));
  CHECK(contains(error_of([&] { load_text({}, {}); }), "needs --train FILE"));
  CHECK(contains(error_of([&] { load_text(files, {.test = true}); }), "needs --test FILE"));
}
