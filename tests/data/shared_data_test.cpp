// The published files: row counts of their README, and bytes of text as Python's csv module counts them.
#include <cmath>

#include "apps/data/dataset.h"
#include "tests/data/temp_folder.h"
#include "tests/shared_data.h"

using namespace lowland;
using namespace lowland::test;

namespace {

constexpr LoadOptions kAll = {.test = true};

int64_t bytes(const Split& split) {
  size_t sum = 0;
  for (const Example& e : split.examples) sum += e.text_a.size() + e.text_b.size();
  return static_cast<int64_t>(sum);
}

int64_t label_sum(const Split& split) {
  int64_t sum = 0;
  for (const Example& e : split.examples) sum += e.label;
  return sum;
}

void check_rows(const TextDataset& data, int64_t train, int64_t dev, int64_t test) {
  CAPTURE(data.task.name);
  CHECK(std::ssize(data.train.examples) == train);
  CHECK(std::ssize(data.dev.examples) == dev);
  CHECK(std::ssize(data.test.examples) == test);
  CHECK(data.train.skipped + data.dev.skipped + data.test.skipped == 0);
}

}  // namespace

TEST_CASE("shared: GLUE" * doctest::skip(lacks("glue"))) {
  const std::string glue = shared_data() / "glue";
  const TextDataset sst2 = load_task(task_info("sst2"), glue, kAll),
                    cola = load_task(task_info("cola"), glue + "/CoLA", kAll),
                    rte = load_task(task_info("rte"), glue + "/RTE", kAll),
                    stsb = load_task(task_info("stsb"), glue, kAll), wnli = load_task(task_info("wnli"), glue, kAll);
  check_rows(sst2, 67349, 872, 1821);
  CHECK(bytes(sst2.train) == 3604019);
  check_rows(cola, 8551, 1043, 1063);
  CHECK(bytes(cola.train) == 348053);
  CHECK(label_sum(cola.train) == 6023);
  check_rows(rte, 2490, 277, 3000);
  CHECK(bytes(rte.train) == 797520);
  CHECK(label_sum(rte.train) == 2490 - 1249);
  check_rows(stsb, 5749, 1500, 1379);
  CHECK(bytes(stsb.train) == 662807);
  double scores = 0;
  for (const Example& e : stsb.train.examples) scores += e.score;
  CHECK(std::abs(scores - 15528.043396825336) < 1e-6);
  check_rows(wnli, 635, 71, 146);
  CHECK_FALSE(stsb.test.labelled);
  const TextDataset original = load_task(task_info("stsb"), glue + "/STS-B/original", kAll);
  check_rows(original, 5749, 1500, 1379);
  CHECK(original.test.labelled);
  const LoadOptions no_train = {.train = false, .test = true};
  const TextDataset qnli = load_task(task_info("qnli"), glue, no_train);
  check_rows(qnli, 0, 5463, 5463);
  CHECK(bytes(qnli.dev) == 1259044);
  CHECK(contains(error_of([&] { load_task(task_info("qnli"), glue, {}); }), "has no train file of task qnli"));
}

TEST_CASE("shared: sent-conv" * doctest::skip(lacks("sent-conv"))) {
  const std::string folder = shared_data() / "sent-conv";
  check_rows(load_task(task_info("sst5"), folder, kAll), 8544, 1101, 2210);
  const TextDataset trec = load_task(task_info("trec"), folder, kAll), mr = load_task(task_info("mr"), folder, {});
  check_rows(trec, 5452 - 545, 545, 500);
  CHECK(trec.train.repaired == 1);
  check_rows(mr, 10662 - 1066, 1066, 0);
  CHECK(mr.train.repaired == 202);
  CHECK(label_sum(mr.dev) == 533);
  CHECK(bytes(mr.train) + bytes(mr.dev) == 1217488);
  CHECK(contains(error_of([&] { load_task(task_info("mr"), folder, kAll); }), "has no test file of task mr"));
}

TEST_CASE("shared: k-shot folders" * doctest::skip(lacks("kshot"))) {
  const std::string folders = shared_data() / "kshot/";
  struct Case {
    const char *task, *folder;
    int64_t classes, test, bytes, label_sum;
  };
  for (const Case& c : {Case{"cola", "CoLA", 2, 1043, -1, -1}, Case{"rte", "RTE", 2, 277, -1, -1},
                        Case{"snli", "SNLI", 3, 0, -1, -1}, Case{"sst2", "SST-2", 2, 872, -1, -1},
                        Case{"mr", "mr", 2, 2000, 226849, 1000}, Case{"subj", "subj", 2, 2000, 259358, 1000},
                        Case{"sst5", "sst-5", 5, 2210, 226316, 4537}, Case{"trec", "trec", 6, 500, 17979, 1196}}) {
    for (const char* seed : {"13", "21", "42", "87", "100"}) {
      const LoadOptions options = {.test = c.test > 0};
      const TextDataset set = load_task(task_info(c.task), folders + c.folder + "/16-" + seed, options);
      check_rows(set, 16 * c.classes, 16 * c.classes, c.test);
      // SNLI's 16 a class were drawn by label1; the gold label differs for a few.
      const int64_t balanced = 16 * c.classes * (c.classes - 1) / 2;
      CHECK(std::abs(label_sum(set.train) - balanced) <= (set.task.name == "snli" ? 2 : 0));
      if (c.bytes > 0) CHECK(bytes(set.test) == c.bytes);
      if (c.bytes > 0) CHECK(label_sum(set.test) == c.label_sum);
    }
  }
}
