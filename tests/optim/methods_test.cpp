#include "optim/methods.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "engine/error.h"
#include "optim/method.h"

using namespace lowland;
using namespace lowland::optim;

namespace {

// The table of a page that begins with this line.
std::string table_of(const std::string& page, const std::string& first_line) {
  std::ifstream in(std::string(LL_SOURCE_DIR) + "/" + page);
  REQUIRE(in.good());
  std::string line, text;
  while (std::getline(in, line) && line != first_line) {}
  for (; line.rfind('|', 0) == 0; std::getline(in, line)) text += line + '\n';
  return text;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

TEST_CASE("methods: docs/methods.md has the tables of the program") {
  for (const std::string& table : {methods_table(), method_options_table()})
    CHECK(table_of("docs/methods.md", first_line(table)) == table);
}

TEST_CASE("methods: the table is whole, and a method is what its row says") {
  std::set<std::string> names;
  for (const MethodRow& row : methods()) {
    CAPTURE(row.name);
    CHECK(names.insert(row.name).second);
    CHECK_FALSE(row.summary.empty());
    CHECK_FALSE(row.gradient_at.empty());
    CHECK(row.learning_rate > 0);
    CHECK(find_method(row.name) == &row);
    for (const MethodOption& o : row.options) {
      CHECK_NOTHROW(o.check(o.initial));
      CHECK(row.option(o.name) == &o);
    }
    std::vector<nn::ArenaSpec> specs = {{"w", {3}, nn::Role::decayed}};
    std::vector<nn::AdapterSpec> adapters;
    if (row.trains == Trains::adapters) {
      specs.push_back({"A", {2, 5}, nn::Role::lora_a});
      specs.push_back({"B", {4, 2}, nn::Role::lora_b});
      adapters.push_back({"module", "A", "B", 4, 5, 2, 1.0});
    }
    Context context;
    nn::Arena arena(context, DType::f32, specs, adapters);
    const auto method = make_method(row.name, arena, {});
    CHECK(&method->row() == &row);
    CHECK(method->wants_second_pass() == (row.passes == 2));
    CHECK(arena.perturbation(nn::Role::lora_b).defined() ==
          (row.perturbs == Perturbs::b || row.perturbs == Perturbs::a_and_b));
    CHECK(arena.perturbation(nn::Role::lora_a).defined() == (row.perturbs == Perturbs::a_and_b));
    for (const MethodOption& o : row.options) CHECK(method->options().values.at(o.name) == o.initial);
    const MethodOption* const strength = row.option(row.strength.empty() ? "rho" : row.strength);
    CHECK(method->rho_schedule(10).rho == (strength != nullptr ? std::get<double>(strength->initial) : 0.0));
    bool off_centre = false, beside = false;
    {
      const auto view = method->training_view();
      off_centre = arena.perturbed();
      beside = arena.forward_side() != nullptr;
    }
    CHECK(beside == (row.perturbs == Perturbs::beside));
    CHECK(row.loss_name == (off_centre ? "loss_perturbed" : "loss"));
  }
  CHECK(find_method("sam") == nullptr);
  CHECK_THROWS_WITH_AS(
      method_row("sam"),
      "unknown method 'sam': one of lora, eflat-lora, flat-lora, lora-sam, bi-lora, lora-obar, lora-nbar, "
      "flat-lora-random, msam, lora-mgpo, "
      "lora-functional-sam, full",
      Error);
}

TEST_CASE("methods: each option is one flag, of one type, with its methods and words in the help") {
  const std::vector<MethodFlag> flags = method_flags();
  for (const MethodRow& row : methods())
    for (const MethodOption& o : row.options) {
      const auto flag = std::find_if(flags.begin(), flags.end(), [&](const MethodFlag& f) { return f.name == o.name; });
      REQUIRE(flag != flags.end());
      CHECK(flag->initial.index() == o.initial.index());
      CHECK(std::count(flag->methods.begin(), flag->methods.end(), row.name) == 1);
    }
  const auto help = [&](const std::string& name) {
    for (const MethodFlag& f : flags)
      if (f.name == name) return f.help;
    return std::string();
  };
  CHECK(help("beta") == "eflat-lora: weight of the new perturbation in the moving average");
  CHECK(help("norm") ==
        "eflat-lora, flat-lora, lora-functional-sam: norm of the perturbation, layer (default) or global; lora-sam: "
        "joint (default) or factor");
}

TEST_CASE("methods: rho follows its options") {
  Context context;
  nn::Arena arena(context, DType::f32, {{"A", {2, 5}, nn::Role::lora_a}, {"B", {4, 2}, nn::Role::lora_b}},
                  {{"module", "A", "B", 4, 5, 2, 1.0}});
  const auto method = make_method("flat-lora", arena, {.values = {{"rho", 0.2}, {"rho-schedule", "inv_sqrt"}}});
  CHECK(method->rho_schedule(8).at(4) == 0.1);
  CHECK(method->options().word("rho-schedule") == "inv-sqrt");
}
