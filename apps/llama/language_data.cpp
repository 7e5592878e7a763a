#include "apps/llama/language_data.h"

#include "apps/data/hold_out.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

std::vector<LanguageRecord> read_all(const std::vector<std::string>& files) {
  std::vector<LanguageRecord> out;
  for (const std::string& file : files)
    for (LanguageRecord& r : read_language_records(file)) out.push_back(std::move(r));
  return out;
}

void keep_first(std::vector<LanguageRecord>& records, int64_t count) {
  LL_CHECK(count >= 0, "--max-train-samples and --max-eval-samples must be at least 0");
  if (count > 0 && static_cast<int64_t>(records.size()) > count) records.resize(static_cast<size_t>(count));
}

}  // namespace

LanguageData load_language_data(const Session& session, const LanguageWanted& wanted) {
  const Settings& s = session.settings;
  const int64_t length = session.longest();
  const ExampleMaker maker(*session.tokenizer, s, session.folder, length);
  LanguageData data;
  const auto make = [&](const char* name, std::vector<LanguageRecord> records, int64_t most, LanguageSplit& into) {
    keep_first(records, most);
    if (records.empty()) return;
    into = maker.make_split(records);
    say_split(name, into, length);
  };
  const bool carve = s.dev_file.empty() && (wanted.train || wanted.dev);
  std::vector<LanguageRecord> train, dev;
  if (wanted.train || carve) {
    LL_CHECK(wanted.train || !s.train_files.empty(),
             "--dev names the file to evaluate on (.jsonl), and is missing, as is --train to hold a part of it out{}",
             s.test_file.empty() ? "" : "; for --test say --split test");
    LL_CHECK(!s.train_files.empty(), "--train names the training file (.jsonl), and is missing");
    train = read_all(s.train_files);
  }
  if (carve) dev = hold_out(train, s.dev_fraction, static_cast<uint64_t>(s.seed));
  if (!s.dev_file.empty() && wanted.dev) dev = read_all({s.dev_file});
  if (wanted.train) make("train", std::move(train), s.max_train_samples, data.train);
  if (wanted.dev) make("dev", std::move(dev), s.max_eval_samples, data.dev);
  if (wanted.test) {
    LL_CHECK(!s.test_file.empty(), "--test names the test file (.jsonl), and is missing");
    make("test", read_all({s.test_file}), s.max_eval_samples, data.test);
  }
  return data;
}

}  // namespace lowland::apps
