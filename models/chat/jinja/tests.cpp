// Tests: `x is string`, `x is divisibleby 3`.
#include <map>

#include "models/chat/jinja/functions.h"
#include "models/chat/jinja/interpreter.h"
#include "models/chat/jinja/operators.h"

namespace lowland::jinja {
namespace {

bool is_bool(const Value& v) { return v.get<bool>() != nullptr; }
bool is_function(const Value& v) { return v.get<std::shared_ptr<const Callable>>() != nullptr; }
bool is_loop(const Value& v) { return v.get<std::shared_ptr<Loop>>() != nullptr; }

void none_given(const Arguments& a) {
  LL_CHECK(a.positional.empty() && a.named.empty(), "a test is given an argument that it has no place for");
}

const Value& other(const Arguments& a) {
  LL_CHECK(a.positional.size() == 1 && a.named.empty(), "a test wants one argument");
  return a.positional[0];
}

// Of `value % by`.
bool rest_is(Interpreter& run, const Value& value, const Value& by, int64_t wanted) {
  return equal(arithmetic('%', value, by, run.budget()), Value(wanted), run.budget());
}

template <class Less> bool ordered(Interpreter& run, const Value& v, const Arguments& a, Less less) {
  LL_CHECK(!v.is_undefined() && !other(a).is_undefined(), "an undefined value has no order");
  return less(order(v, other(a), run.budget()));
}

// Value is what it is: no other object that is equal.
bool same(const Value& a, const Value& b, Budget& budget) {
  if (is_bool(a) != is_bool(b) || a.sequence() || a.dict() || a.get<double>())
    return a.sequence() ? a.sequence() == b.sequence() : a.dict() && a.dict() == b.dict();
  return equal(a, b, budget);
}

#define LL_IS(name, condition)                                     \
  {                                                                \
    name, [](Interpreter&, const Value& v, Arguments& a) -> bool { \
      none_given(a);                                               \
      return condition;                                            \
    }                                                              \
  }
#define LL_COMPARES(name, condition)                                   \
  {                                                                    \
    name, [](Interpreter& run, const Value& v, Arguments& a) -> bool { \
      return ordered(run, v, a, [](int c) { return condition; });      \
    }                                                                  \
  }
#define LL_TEST(name, ...)                                                           \
  {                                                                                  \
    name, [](Interpreter& run, const Value& v, Arguments& a) -> bool { __VA_ARGS__ } \
  }

const std::map<std::string_view, Test>& all() {
  static const std::map<std::string_view, Test> tests = {
    LL_IS("defined", !v.is_undefined()),
    LL_IS("undefined", v.is_undefined()),
    LL_IS("none", v.is_none()),
    LL_IS("boolean", is_bool(v)),
    LL_IS("true", is_bool(v) && *v.get<bool>()),
    LL_IS("false", is_bool(v) && !*v.get<bool>()),
    LL_IS("integer", v.get<int64_t>() != nullptr),
    LL_IS("float", v.get<double>() != nullptr),
    LL_IS("number", is_bool(v) || v.get<int64_t>() || v.get<double>()),
    LL_IS("string", v.text() != nullptr),
    LL_IS("mapping", v.dict() != nullptr),
    LL_IS("escaped", v.text() && v.text()->markup),
    LL_IS("callable", is_function(v) || is_loop(v) || v.is_undefined()),
    LL_IS("iterable", v.is_undefined() || v.text() || v.dict() || v.sequence() || is_loop(v)),
    LL_IS("sequence",
          v.is_undefined() || v.text() || v.dict() || (v.sequence() && v.sequence()->kind <= Sequence::Kind::range)),
    LL_TEST("lower", none_given(a); return is_text(to_text(v, run.budget()), "islower");),
    LL_TEST("upper", none_given(a); return is_text(to_text(v, run.budget()), "isupper");),
    LL_TEST("odd", none_given(a); return rest_is(run, v, Value(int64_t{2}), 1);),
    LL_TEST("even", none_given(a); return rest_is(run, v, Value(int64_t{2}), 0);),
    LL_TEST("divisibleby", return rest_is(run, v, other(a), 0);),
    LL_TEST("in", return contains(other(a), v, run.budget());),
    LL_TEST("sameas", return same(v, other(a), run.budget());),
    LL_TEST("filter", none_given(a); (void)run; return v.text() && find_filter(v.text()->bytes);),
    LL_TEST("test", none_given(a); (void)run; return v.text() && find_test(v.text()->bytes);),
    LL_TEST("==", return equal(v, other(a), run.budget());),
    LL_TEST("eq", return equal(v, other(a), run.budget());),
    LL_TEST("equalto", return equal(v, other(a), run.budget());),
    LL_TEST("!=", return !equal(v, other(a), run.budget());),
    LL_TEST("ne", return !equal(v, other(a), run.budget());),
    LL_COMPARES("<", c < 0),
    LL_COMPARES("lt", c < 0),
    LL_COMPARES("lessthan", c < 0),
    LL_COMPARES("<=", c <= 0),
    LL_COMPARES("le", c <= 0),
    LL_COMPARES(">", c > 0),
    LL_COMPARES("gt", c > 0),
    LL_COMPARES("greaterthan", c > 0),
    LL_COMPARES(">=", c >= 0),
    LL_COMPARES("ge", c >= 0)
  };
  return tests;
}

#undef LL_IS
#undef LL_COMPARES
#undef LL_TEST

}  // namespace

Test find_test(std::string_view name) {
  const auto at = all().find(name);
  return at == all().end() ? nullptr : at->second;
}

}  // namespace lowland::jinja
