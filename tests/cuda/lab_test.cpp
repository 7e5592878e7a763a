// Every version of the lab, block by block on the host, against the CPU's kernels in f64.
#include <doctest/doctest.h>

#include <set>

#include "kernels/lab/experiments.h"
#include "kernels/lab/host_lab.h"

using namespace lowland;

TEST_CASE("lab: every version of every experiment is proved on the host") {
  lab::HostLab lab(false);
  for (const auto& e : lab::kExperiments<lab::HostLab>) {
    CAPTURE(e.name);
    const size_t before = lab.results().size();
    e.run(lab);
    CHECK(lab.results().size() >= before + 3);  // a naive one, a better one, the engine's
    std::set<std::string> numbers;
    for (size_t i = before; i < lab.results().size(); ++i) {
      const lab::Result& r = lab.results()[i];
      CAPTURE(r.version);
      CAPTURE(r.shape);
      CAPTURE(r.error);
      CHECK(r.proved);
      numbers.insert(r.version.substr(0, 2));
    }
    for (size_t i = 1; i <= numbers.size(); ++i) CHECK(numbers.count(std::to_string(i) + " ") == 1);
  }
}

TEST_CASE("lab: a wrong version is seen, and what it leaves out too") {
  lab::HostLab lab(false);
  std::vector<float> out(3);
  lab::Experiment e{.op = "copy", .shape = "3", .bytes = 24, .tolerance = 1e-6};
  CHECK(lab.opens(e));
  e.prepare = [&] { out.assign(3, NAN); };
  e.error = [&] { return lab::largest_error(out, std::vector<double>{1, 2, 3}); };
  e.versions = {{"1 right",
                 [&] {
                   out = {1, 2, 3};
                 }},
                {"2 wrong",
                 [&] {
                   out = {1, 2, 3.1f};
                 }},
                {"3 leaves one out", [&] {
                   out = {1, 2, out[2]};
                 }}};
  lab.measure(e);
  CHECK(lab.results()[0].proved);
  CHECK_FALSE(lab.results()[1].proved);
  CHECK_FALSE(lab.results()[2].proved);
  CHECK_FALSE(lab.all_proved());
  e.bytes = 1e9;
  CHECK_FALSE(lab.opens(e));
}
