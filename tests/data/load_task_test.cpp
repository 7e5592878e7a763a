#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/data/dataset.h"
#include "apps/data/predict_input.h"
#include "tests/data/temp_folder.h"

using namespace lowland;
using namespace lowland::test;

using Labels = std::vector<std::string>;

namespace {

constexpr LoadOptions kTrainOnly = {.train = true, .dev = false}, kAll = {.test = true},
                      kTestOnly = {.train = false, .dev = false, .test = true},
                      kDevOnly = {.train = false, .dev = true};

TextDataset load(const std::string& task, const std::string& dir, const LoadOptions& options = kTrainOnly) {
  return load_task(task_info(task), dir, options);
}

// A row of the task in a file of this form: "one", "two" and the label.
std::string row_of(const TaskInfo& task, const TaskFiles& files, const std::string& label) {
  const std::vector<std::string> names = {task.text_column, task.pair_column, task.label_column},
                                 values = {"one", "two", label};
  if (files.format == FileFormat::label_text) return label + " one\n";
  if (files.format == FileFormat::jsonl) {
    nlohmann::json row;
    for (size_t i = 0; i < 3; ++i)
      if (!names[i].empty()) row[names[i]] = values[i];
    return row.dump() + "\n";
  }
  std::vector<std::string> cells = task.pair ? values : std::vector<std::string>{"one", label};
  if (!files.positions.empty()) {
    std::vector<std::string> wide(9, "other");
    for (size_t i = 0; i < cells.size(); ++i) wide[files.positions.at(i)] = cells[i];
    cells = wide;
  }
  return fmt::format("{}\n", fmt::join(cells, files.format == FileFormat::csv ? "," : "\t"));
}

std::string header_of(const TaskInfo& task, const TaskFiles& files) {
  if (files.format == FileFormat::label_text || files.format == FileFormat::jsonl || !files.positions.empty())
    return "";
  const std::string tab = files.format == FileFormat::csv ? "," : "\t";
  return task.text_column + tab + (task.pair ? task.pair_column + tab : "") + task.label_column + "\n";
}

}  // namespace

TEST_CASE("load_task: every file that the table names is found and read in its form") {
  for (const TaskInfo& task : task_table()) {
    for (const TaskFiles& files : task.files) {
      const std::vector<std::string> labels = task.regression ? Labels{"0.5", "4"} : task.file_labels;
      const std::string content =
          header_of(task, files) + row_of(task, files, labels[1]) + row_of(task, files, labels[0]);
      for (const SplitName name : {SplitName::train, SplitName::dev, SplitName::test, SplitName::dev_mm}) {
        CAPTURE(task.name + ": " + files.name(name));
        if (files.name(name).empty()) continue;
        const TempFolder f;
        f.write(files.name(name), content);
        if (name == SplitName::dev_mm) f.write(files.dev, content);
        if (name == SplitName::train) f.write("dev.csv", "");  // so that nothing is held out
        const bool train = name == SplitName::train, test = name == SplitName::test;
        const TextDataset data = load_task(task, f.path(), {.train = train, .dev = !train && !test, .test = test});
        const Split& split = train ? data.train : test ? data.test : name == SplitName::dev ? data.dev : data.dev_mm;
        CHECK(split.file == f.path(files.name(name)));
        REQUIRE(split.examples.size() == 2);
        const Example& first = split.examples[0];
        CHECK(first.text_a + first.text_b == (task.pair ? "onetwo" : "one"));
        if (task.regression) CHECK(first.score == 4);
        if (!task.regression) CHECK(first.label == 1);
      }
    }
  }
}

TEST_CASE("load_task: GLUE files by header, folder in any spelling, BOM, CR, quotes kept") {
  const TempFolder glue;
  const std::string train =
      glue.write("sst_2/train.tsv", "\xEF\xBB\xBFsentence\tlabel\r\na \"good one \t1\r\nbad\t0\r\n");
  glue.write("sst_2/dev.tsv", "label\tsentence\n0\tpoor\n");
  glue.write("sst_2/test.tsv", "index\tsentence\n0\tso so\n1\t\n");
  const TextDataset data = load("sst2", glue.path(), kAll);
  REQUIRE(data.train.examples.size() == 2);
  CHECK(data.train.file == train);
  CHECK(data.train.examples[0].text_a == "a \"good one ");
  CHECK(data.train.examples[0].label == 1);
  CHECK(data.train.examples[0].label_name == "positive");
  CHECK(data.train.examples[1].line == 3);
  CHECK(data.dev.examples[0].text_a == "poor");
  CHECK(data.test.examples.size() == 2);
  CHECK_FALSE(data.test.labelled);
  CHECK(data.test.examples[1].label == -1);
  CHECK(load("sst2", glue.path("sst_2")).train.examples.size() == 2);
  const TextDataset first = load_task(task_info("sst2"), glue.path(), {.max_train_samples = 1, .max_eval_samples = 5});
  CHECK(first.train.examples.size() == 1);
  CHECK(first.dev.examples.size() == 1);
}

TEST_CASE("load_task: shots, wrong labels and evaluation samples are drawn: a function of the seed, and of no seed") {
  const TempFolder f;
  const auto table = [](int rows) {
    std::string text = "sentence\tlabel\n";
    for (int i = 0; i < rows; ++i) text += fmt::format("text {}\t{}\n", i, i < rows / 4 ? 1 : 0);  // sorted by label
    return text;
  };
  f.write("SST-2/train.tsv", table(200));
  f.write("SST-2/dev.tsv", table(80));
  const auto load_with = [&](const LoadOptions& options) { return load_task(task_info("sst2"), f.path(), options); };
  const auto lines = [](const Split& split) {
    std::vector<int64_t> out;
    for (const Example& e : split.examples) out.push_back(e.line);
    return out;
  };
  const TextDataset whole = load_with({}), few = load_with({.seed = 1, .shots = 16}),
                    other = load_with({.seed = 2, .shots = 16});
  CHECK(few.train.examples.size() == 32);
  int64_t positive = 0;
  for (const Example& e : few.train.examples) positive += e.label;
  CHECK(positive == 16);
  const std::vector<int64_t> taken = lines(few.train);
  CHECK(std::is_sorted(taken.begin(), taken.end()));
  CHECK(lines(few.train) == lines(load_with({.seed = 1, .shots = 16}).train));
  CHECK(lines(few.train) != lines(other.train));
  CHECK(load_with({.shots = 60}).train.examples.size() == 110);  // of the rarer class all 50

  // Dev shots are others of train, the same whether or not train is asked for; half of a class that has too few.
  const TextDataset apart = load_with({.seed = 1, .shots = 16, .dev_shots = 20});
  CHECK(lines(apart.train) == taken);
  CHECK(apart.dev.carved);
  CHECK(apart.dev.file == apart.train.file);
  CHECK(apart.dev.examples.size() == 40);
  positive = 0;
  for (const Example& e : apart.dev.examples) {
    positive += e.label;
    CHECK(!std::binary_search(taken.begin(), taken.end(), e.line));
  }
  CHECK(positive == 20);
  CHECK(lines(load_with({.train = false, .seed = 1, .shots = 16, .dev_shots = 20}).dev) == lines(apart.dev));
  const TextDataset halves = load_with({.seed = 1, .shots = 60, .dev_shots = 60});
  CHECK(halves.train.examples.size() == 60 + 25);
  CHECK(halves.dev.examples.size() == 60 + 25);
  const TextDataset rest = load_with({.seed = 1, .dev_shots = 20});
  CHECK(rest.train.examples.size() == 160);
  CHECK(rest.dev.examples.size() == 40);
  CHECK_THROWS_AS(load_with({.dev_shots = -1}), Error);

  const TextDataset noisy = load_with({.seed = 1, .label_noise = 0.3});
  int64_t wrong = 0;
  for (size_t i = 0; i < 200; ++i) {
    const Example &is = noisy.train.examples[i], &was = whole.train.examples[i];
    CHECK(is.text_a == was.text_a);
    wrong += is.label != was.label ? 1 : 0;
    CHECK(is.label_name == task_info("sst2").labels[is.label]);
  }
  CHECK(wrong == 60);
  for (size_t i = 0; i < 80; ++i) CHECK(noisy.dev.examples[i].label == whole.dev.examples[i].label);
  const TextDataset both = load_with({.seed = 1, .shots = 16, .label_noise = 0.25});
  CHECK(lines(both.train) == lines(few.train));  // noise changes labels, not what is learnt from

  const TextDataset drawn = load_with({.seed = 1, .max_eval_samples = 40, .draw_eval_samples = true});
  CHECK(lines(drawn.dev) == lines(load_with({.seed = 2, .max_eval_samples = 40, .draw_eval_samples = true}).dev));
  positive = 0;
  for (const Example& e : drawn.dev.examples) positive += e.label;
  CHECK(drawn.dev.examples.size() == 40);
  CHECK(positive > 3);
  CHECK(positive < 20);  // the first 40 hold all 20
  for (const double share : {-0.1, 1.5}) CHECK_THROWS_AS(load_with({.label_noise = share}), Error);
}

TEST_CASE("load_task: CoLA has no header but in its test file") {
  const TempFolder f;
  f.write("CoLA/train.tsv", "gj04\t1\t\tA is.\ngj04\t0\t*\tIs a.\n");
  f.write("CoLA/dev.tsv", "gj04\t1\t\tB is.");
  f.write("CoLA/test.tsv", "index\tsentence\n0\tC is.\n");
  const TextDataset data = load("cola", f.path(), kAll);
  CHECK(data.train.examples.size() == 2);
  CHECK(data.train.examples[1].text_a == "Is a.");
  CHECK(data.train.examples[1].label == 0);
  CHECK(data.dev.examples.size() == 1);
  CHECK(data.test.examples[0].text_a == "C is.");
}

TEST_CASE("load_task: pairs, scores, both halves of MNLI") {
  const TempFolder f;
  f.write("MRPC/train.tsv",
          "\xEF\xBB\xBFQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t7\t8\tA.\tB.\r\n0\t7\t8\tC.\tD.\r\n");
  const Example pair = load("mrpc", f.path("MRPC")).train.examples[0];
  CHECK(pair.has_pair);
  CHECK(pair.text_a + pair.text_b == "A.B.");
  CHECK(pair.label_name == "equivalent");

  f.write("STS-B/train.tsv", "index\tsentence1\tsentence2\tscore\n0\ta\tb\t3.80\n1\tc\td\t5\n");
  f.write("STS-B/dev.tsv", "index\tsentence1\tsentence2\tscore\n0\ta\tb\t0\n");
  f.write("STS-B/original/sts-dev.tsv", "main\tx\t2012\t1\t0.4\ta\tb\n");
  CHECK(load("stsb", f.path()).train.examples[0].score == 3.8);
  CHECK(load("stsb", f.path("STS-B/original"), kDevOnly).dev.examples[0].score == 0.4);

  f.write("MNLI/dev_matched.tsv", "index\tsentence1\tsentence2\tgold_label\n0\ta\tb\tneutral\n1\ta\tb\t-\n");
  f.write("MNLI/dev_mismatched.tsv", "index\tsentence1\tsentence2\tgold_label\n0\ta\tb\tcontradiction\n");
  f.write("MNLI/train.tsv", "index\tsentence1\tsentence2\tlabel1\tgold_label\n0\ta\tb\tneutral\tentailment\n");
  const TextDataset mnli = load("mnli", f.path(), {});
  CHECK(mnli.train.examples[0].label == 0);
  CHECK(mnli.dev.examples[0].label == 1);
  CHECK(mnli.dev.skip_reason == "1 row has gold label `-`");
  CHECK(mnli.dev_mm.examples[0].label == 2);
}

TEST_CASE("load_task: QQP rows that lack a column and SNLI's `-` are skipped and counted") {
  const TempFolder f;
  f.write("QQP/train.tsv",
          "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\ta\tb\t1\n1\t2\t3\tc\n2\t3\t4\td\t\t0\n");
  const Split qqp = load("qqp", f.path()).train;
  CHECK(qqp.examples.size() == 2);
  CHECK(qqp.skipped == 1);
  CHECK(qqp.skip_reason == "1 row lacks a column (first: line 3)");
  f.write("SNLI/snli_1.0_train.txt",
          "gold_label\tsentence1\tsentence2\tlabel1\n-\ta\tb\t\n-\ta\tb\t\nneutral\ta\tb\tneutral\n");
  f.write("SNLI/snli_1.0_dev.jsonl",
          "{\"gold_label\": \"-\", \"sentence1\": \"a\", \"sentence2\": \"b\"}\n"
          "{\"gold_label\": \"entailment\", \"sentence1\": \"say \\\"a\\\"\", \"sentence2\": \"b\"}\n");
  const TextDataset snli = load("snli", f.path(), {});
  CHECK(snli.train.skip_reason == "2 rows have gold label `-`");
  CHECK(snli.train.examples[0].line == 4);
  CHECK(snli.dev.skipped == 1);
  CHECK(snli.dev.examples[0].text_a == "say \"a\"");
}

TEST_CASE("load_task: BoolQ as SuperGLUE has it") {
  const TempFolder f;
  f.write("BoolQ/train.jsonl", R"({"question": "is it wet", "passage": "Sea -- It is.", "idx": 0, "label": true}
{"question": "is it dry", "passage": "Sea -- \"No.\"", "idx": 1, "label": false}
)");
  f.write("BoolQ/val.jsonl", R"({"question": "is it old", "passage": "Sea", "idx": 0, "label": false})");
  f.write("BoolQ/test.jsonl", R"({"question": "is it blue", "passage": "Sea", "idx": 0})");
  const TextDataset data = load("boolq", f.path(), kAll);
  CHECK(data.train.examples.at(0).text_a == "is it wet");
  CHECK(data.train.examples[0].label_name == "True");
  CHECK(data.train.examples.at(1).text_b == "Sea -- \"No.\"");
  CHECK(data.train.examples[1].label == 0);
  CHECK(data.dev.file == f.path("BoolQ/val.jsonl"));
  CHECK(data.dev.examples.at(0).label == 0);
  CHECK_FALSE(data.test.labelled);
  CHECK(glue_prediction(data.task, 1) == "true");
}

TEST_CASE("load_task: k-shot folders share a test file") {
  const TempFolder f;
  for (const std::string seed : {"16-13", "16-42"}) {
    f.write("mr/" + seed + "/train.csv", "0,\"dull , \"\"dull\"\"\"\n1,text\n");
    f.write("mr/" + seed + "/dev.csv", "1,good\n");
  }
  f.write("mr/16-42/test.csv", "1,\"a\nb\"\n");
  const TextDataset data = load("mr", f.path("mr/16-13"), kAll);
  CHECK(data.train.examples[0].text_a == "dull , \"dull\"");
  CHECK(data.train.examples[1].text_a == "text");
  CHECK(data.test.examples[0].text_a == "a\nb");
  CHECK(data.test.file == f.path("mr/16-42/test.csv"));
  f.write("subj/train.csv", "text,label\nit is,1\nI am,0\n");
  CHECK(load("subj", f.path()).train.examples[0].label == 1);
  CHECK(contains(error_of([&] { load("mr", f.path()); }), "holds no mr files but the folders 16-13, 16-42; give one"));
  CHECK(contains(error_of([&] { load("mr", f.path("mr")); }), "holds the folders 16-13, 16-42; give one of them"));
  CHECK(contains(error_of([&] { load("trec", f.path("mr/16-42")); }), "is a folder of task mr, not of trec"));
}

TEST_CASE("load_task: sent-conv, dev carved from train") {
  const TempFolder f;
  f.write("TREC.train.all",
          "0 What is it ?\n3 Who sister\xF0"
          "city ?\n3 Who ?\n0 Why ? \n");
  f.write("TREC.test.all", "5 How far ?\n");
  f.write("train_5500.label", "never read");
  const TextDataset data = load("trec", f.path(), kAll);
  CHECK(data.train.examples.size() + data.dev.examples.size() == 4);
  CHECK(data.dev.carved);
  CHECK(data.dev.examples.size() == 1);
  CHECK(data.train.repaired == 1);
  CHECK(data.test.examples[0].text_a == "How far ?");
  CHECK(data.test.examples[0].label_name == "NUM");
  const TextDataset without_dev = load("trec", f.path());
  CHECK(without_dev.train.examples.size() == 3);  // training never sees what would be dev
  CHECK(load("trec", f.path(), kDevOnly).dev.examples[0].text_a == data.dev.examples[0].text_a);
  f.write("stsa.fine.train", "4 fine\nnone\n");
  CHECK(contains(error_of([&] { load("sst5", f.path()); }), "stsa.fine.train:2: expected a label, a space and a text"));
}

TEST_CASE("load_task: mistakes are named with file and line") {
  const TempFolder f;
  f.write("a/SST-2/train.tsv", "sentence\tlabel\nx\t1\ny\t2\n");
  CHECK(contains(error_of([&] { load("sst2", f.path("a")); }),
                 "train.tsv:3: label `2` is not one of task sst2: 0 (negative), 1 (positive)"));
  CHECK(contains(error_of([&] { load("cola", f.path("a/SST-2")); }), "is a folder of task sst2, not of cola"));
  f.write("mr/mine/train.tsv", "sentence\tlabel\nx\t1\ny\t0\n");  // only the folder's own name counts
  CHECK(load("sst2", f.path("mr/mine")).train.examples.size() == 2);
  f.write("b/STS-B/train.tsv", "sentence1\tsentence2\tscore\na\tb\tnan\n");
  CHECK(contains(error_of([&] { load("stsb", f.path("b")); }),
                 "train.tsv:2: the score `nan` is not a number from 0 to 5"));
  f.write("c/RTE/train.tsv", "");
  CHECK(contains(error_of([&] { load("rte", f.path("c")); }), "train.tsv is empty"));
  f.write("d/RTE/train.tsv", "index\tsentence1\tsentence2\tlabel\n");
  CHECK(contains(error_of([&] { load("rte", f.path("d")); }), "train.tsv holds no example"));
  f.write("e/RTE/train.tsv", "index\tsentence1\tsentence2\tlabel\n1\ta\n");
  CHECK(contains(error_of([&] { load("rte", f.path("e")); }), "holds no example: 1 row lacks a column"));
  f.write("f/RTE/train.tsv", "index\tsentence1\tsentence2\n1\ta\tb\n");
  CHECK(contains(error_of([&] { load("rte", f.path("f")); }), "train.tsv:1: no column `label`"));
  CHECK(contains(error_of([&] { load("rte", f.path("f"), kTestOnly); }),
                 "has no test file of task rte (test.tsv, test.csv"));
  CHECK(contains(error_of([&] { load("rte", f.path("g")); }), "does not exist"));
  CHECK(contains(error_of([&] { load("qnli", f.path("f")); }), "holds no data of task qnli"));
  CHECK(contains(error_of([&] { load("rte", f.path("d/RTE/train.tsv")); }), "is a file; give task rte the folder"));
}

TEST_CASE("predict_input: lines, tables, standard mistakes") {
  const TempFolder f;
  const TaskInfo single = task_info("sst2"), pair = task_info("rte");
  const auto texts = [](const Split& in) {
    std::string all;
    for (const Example& e : in.examples) all += fmt::format("[{}|{}]", e.text_a, e.has_pair ? e.text_b : "-");
    return all;
  };
  CHECK(texts(read_predict_input(single, f.write("a.txt", "one\r\n\ntwo\tthree"))) == "[one|-][|-][two\tthree|-]");
  CHECK(texts(read_predict_input(pair, f.write("b.txt", "a\tb\n\td\n"))) == "[a|b][|d]");
  CHECK(texts(read_predict_input(single, f.write("c.csv", "id,sentence\n1,\"x\ny\"\n"))) == "[x\ny|-]");
  CHECK(texts(read_predict_input(pair, f.write("d.jsonl", "{\"sentence1\":\"a\",\"sentence2\":\"b\"}\n"))) == "[a|b]");
  CHECK(texts(read_predict_input(pair, f.write("e.tsv", "index\tsentence1\tsentence2\n0\ta\tb\n"))) == "[a|b]");
  CHECK(texts(read_predict_input(pair, f.write("f.tsv", "a\tb\n"))) == "[a|b]");
  CHECK(std::isnan(read_predict_input(single, f.path("a.txt")).examples[0].score));
  CHECK(contains(error_of([&] { read_predict_input(pair, f.write("g.txt", "a\tb\nc\n")); }),
                 "g.txt:2: task rte takes two texts"));
  CHECK(contains(error_of([&] { read_predict_input(single, f.write("h.txt", "")); }), "h.txt holds no text"));
  CHECK(contains(error_of([&] { read_predict_input(single, f.write("i.csv", "text\nx\n")); }), "no column `sentence`"));
}
