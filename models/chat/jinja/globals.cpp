// Functions: range, namespace, dict, raise_exception, strftime_now, joiner, cycler. And how arguments find parameters.
#include <algorithm>
#include <ctime>

#include "models/chat/jinja/functions.h"
#include "models/chat/jinja/interpreter.h"

namespace lowland::jinja {

Parameters::Parameters(std::string_view function, const Arguments& arguments, std::initializer_list<const char*> names,
                       size_t required)
    : function_(function), values_(names.size()) {
  LL_CHECK(arguments.positional.size() <= names.size(), "{} takes {} arguments, and is given {}", function,
           names.size(), arguments.positional.size());
  for (size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto at = std::find(names.begin(), names.end(), name);
    LL_CHECK(at != names.end(), "{} has no parameter {}", function, name);
    const Value*& place = values_[static_cast<size_t>(at - names.begin())];
    LL_CHECK(!place, "{} is given {} twice", function, name);
    place = &value;
  }
  for (size_t i = 0; i < required; ++i) LL_CHECK(values_[i], "{} lacks its argument {}", function, names.begin()[i]);
}

int64_t Parameters::integer(size_t i, int64_t otherwise) const {
  int64_t out = otherwise;
  LL_CHECK(!given(i) || values_[i]->to_integer(out), "{} is given a {} for a number", function_,
           type_name(*values_[i]));
  return out;
}

const Text& Parameters::text(size_t i) const {
  LL_CHECK(values_[i]->text(), "{} is given a {} for a text", function_, type_name(*values_[i]));
  return *values_[i]->text();
}

namespace {

constexpr int64_t kLongestRange = 100'000;  // the sandbox's of Jinja

Value range(Interpreter& run, Arguments& arguments) {
  const size_t n = arguments.positional.size();
  LL_CHECK(n >= 1 && n <= 3 && arguments.named.empty(), "range takes one to three numbers");
  int64_t numbers[3] = {0, 0, 1};
  for (size_t i = 0; i < n; ++i)
    LL_CHECK(arguments.positional[i].to_integer(numbers[n == 1 ? 1 : i]), "range is given a {}",
             type_name(arguments.positional[i]));
  const auto [from, to, step] = numbers;
  LL_CHECK(step != 0, "the step of a range is zero");
  const auto most = static_cast<double>(kLongestRange);
  const double length = (static_cast<double>(to) - static_cast<double>(from)) / static_cast<double>(step);
  LL_CHECK(length <= most, "a range is longer than {}", kLongestRange);
  std::vector<Value> items;
  for (int64_t i = 0; static_cast<double>(i) < length; ++i)
    items.emplace_back(static_cast<int64_t>(static_cast<uint64_t>(from) + static_cast<uint64_t>(i) * step));
  return make_sequence(Sequence::Kind::range, std::move(items), run.budget());
}

// The items that dict(...) and namespace(...) are made of.
std::vector<std::pair<Value, Value>> pairs_of(Interpreter& run, const char* name, Arguments& arguments) {
  std::vector<std::pair<Value, Value>> items;
  LL_CHECK(arguments.positional.size() <= 1, "{} takes one dict", name);
  if (!arguments.positional.empty()) {
    const Value& from = arguments.positional[0];
    if (from.dict()) {
      items = from.dict()->items;
    } else {
      for (const Value& pair : iterate(from, run.budget())) {
        std::vector<Value> both = iterate(pair, run.budget());
        LL_CHECK(both.size() == 2, "{} is made of pairs", name);
        items.emplace_back(std::move(both[0]), std::move(both[1]));
      }
    }
  }
  for (auto& [key, value] : arguments.named) items.emplace_back(Value(key), value);
  return items;
}

Value make_space(Interpreter& run, Arguments& arguments) {
  const Value dict = make_dict(pairs_of(run, "namespace", arguments), run.budget());
  const std::shared_ptr<Namespace> space = run.make_namespace();
  for (const auto& [key, value] : dict.dict()->items) {
    LL_CHECK(key.text() && !key.text()->bytes.starts_with('_'), "namespace has a name that begins with _");
    space->names.emplace_back(key.text()->bytes, value);
  }
  return Value(space);
}

Value raise_exception(Interpreter& run, Arguments& arguments) {
  const Parameters p("raise_exception", arguments, {"message"}, 1);
  fail("the template refuses the conversation: {}", to_text(p[0], run.budget()).bytes);
}

Value strftime_now(Interpreter& run, Arguments& arguments) {
  const Parameters p("strftime_now", arguments, {"format"}, 1);
  const std::string& format = p.text(0).bytes;
  LL_CHECK(format.size() < 200, "the format of strftime_now has {} bytes", format.size());
  char buffer[4096];
  const size_t n = std::strftime(buffer, sizeof buffer, format.c_str(), &run.now());
  return Value(std::string(buffer, n));
}

// Nothing at the first call, the separator later.
Value joiner(Interpreter&, Arguments& arguments) {
  const Parameters p("joiner", arguments, {"sep"});
  const Value separator = p.value(0, Value(", "));
  return make_callable("joiner", [separator, used = std::make_shared<bool>(false)](Interpreter&, Arguments&) {
    const bool first = !*used;
    *used = true;
    return first ? Value("") : separator;
  });
}

Value cycler(Interpreter& run, Arguments& arguments) {
  LL_CHECK(!arguments.positional.empty(), "cycler has nothing to go through");
  const std::shared_ptr<Namespace> space = run.make_namespace();
  const auto place = std::make_shared<size_t>(0);
  const std::vector<Value> items = arguments.positional;
  Namespace* names = space.get();  // which the interpreter keeps
  const auto turn = [items, place, names](bool next) {
    const Value before = items[*place];
    *place = next ? (*place + 1) % items.size() : 0;
    names->names[0].second = items[*place];
    return next ? before : Value(None{});
  };
  space->names.emplace_back("current", items[0]);
  space->names.emplace_back("next", make_callable("next", [turn](Interpreter&, Arguments&) { return turn(true); }));
  space->names.emplace_back("reset", make_callable("reset", [turn](Interpreter&, Arguments&) { return turn(false); }));
  return Value(space);
}

}  // namespace

Value find_function(std::string_view name) {
  using Function = Value (*)(Interpreter&, Arguments&);
  static constexpr std::pair<std::string_view, Function> kFunctions[] = {
      {"range", range},
      {"namespace", make_space},
      {"dict", [](Interpreter& run, Arguments& a) { return make_dict(pairs_of(run, "dict", a), run.budget()); }},
      {"raise_exception", raise_exception},
      {"strftime_now", strftime_now},
      {"joiner", joiner},
      {"cycler", cycler}};
  for (const auto& [known, function] : kFunctions)
    if (known == name) return make_callable(std::string(name), function);
  return {};
}

}  // namespace lowland::jinja
