#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include "tests/ops/harness.h"

namespace {

constexpr int kSkipped = 77;  // the exit code that ctest takes for "skipped"

// A case that made no check proves nothing: it fails the program.
std::vector<std::string>& idle_cases() {
  static std::vector<std::string> names;
  return names;
}
struct Idle final : doctest::IReporter {
  explicit Idle(const doctest::ContextOptions&) {}
  const doctest::TestCaseData* now = nullptr;
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData& data) override { now = &data; }
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& stats) override {
    if (stats.numAssertsCurrentTest == 0) idle_cases().push_back(now->m_name);
  }
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};
REGISTER_LISTENER("idle", 1, Idle);

// Cases that pass the filters of the command line, with those that are to be skipped (for want of data, or of a GPU)
// or without. Negative where the command line asks for something else.
int matching(int argc, char** argv, bool with_skipped) {
  std::vector<const char*> args(argv, argv + argc);
  args.push_back("--count");
  if (with_skipped) args.push_back("--no-skip");
  doctest::Context query(static_cast<int>(args.size()), args.data());
  std::ostringstream text;
  query.setCout(&text);
  query.run();
  int n = -1;
  const size_t at = text.str().find("filters: ");
  if (at != std::string::npos) std::sscanf(text.str().c_str() + at, "filters: %d", &n);
  return n;
}

}  // namespace

int main(int argc, char** argv) {
  if (lowland::test::test_device() == "cuda") {
    const std::string why = lowland::why_unusable({lowland::DeviceType::cuda, 0});
    if (!why.empty()) {
      std::printf("skipped: %s\n", why.c_str());
      return kSkipped;
    }
  }
  if (matching(argc, argv, true) == 0) {
    std::printf("no test case passes these filters\n");
    return 1;
  }
  if (matching(argc, argv, false) == 0) {
    std::printf("skipped: what these test cases want is not here\n");
    return kSkipped;
  }
  const int code = doctest::Context(argc, argv).run();
  for (const std::string& name : idle_cases()) std::printf("no check was made in: %s\n", name.c_str());
  return code == 0 && !idle_cases().empty() ? 1 : code;
}
