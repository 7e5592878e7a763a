#include "models/chat/jinja/operators.h"

#include <algorithm>
#include <cmath>

#include "models/chat/jinja/functions.h"

namespace lowland::jinja {
namespace {

void refuse_undefined(const Value& v) {
  const auto* u = v.get<Undefined>();
  if (u) fail("{}", u->why ? *u->why : "a value is undefined");
}

[[noreturn]] void no_operator(char op, const Value& a, const Value& b) {
  const std::string sign = op == '|' ? "//" : op == '^' ? "**" : std::string(1, op);
  fail("a {} and a {} do not go together with {}", type_name(a), type_name(b), sign);
}

void check_fits(bool overflow) { LL_CHECK(!overflow, "a number does not fit in 64 bits"); }

int64_t power(int64_t base, int64_t exponent) {
  int64_t out = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) check_fits(__builtin_mul_overflow(out, base, &out));
    if (exponent > 1) check_fits(__builtin_mul_overflow(base, base, &base));
  }
  return out;
}

Value whole(char op, int64_t a, int64_t b) {
  int64_t out = 0;
  switch (op) {
    case '+': check_fits(__builtin_add_overflow(a, b, &out)); return Value(out);
    case '-': check_fits(__builtin_sub_overflow(a, b, &out)); return Value(out);
    case '*': check_fits(__builtin_mul_overflow(a, b, &out)); return Value(out);
    case '^':
      if (b >= 0) return Value(power(a, b));
      LL_CHECK(a != 0, "zero has no negative power");
      return Value(std::pow(static_cast<double>(a), static_cast<double>(b)));
    default: break;
  }
  LL_CHECK(b != 0, "a division by zero");
  if (op == '/') return Value(static_cast<double>(a) / static_cast<double>(b));
  check_fits(b == -1 && a == INT64_MIN);
  const bool down = a % b != 0 && ((a < 0) != (b < 0));  // Python rounds down
  return Value(op == '|' ? a / b - (down ? 1 : 0) : a % b + (down ? b : 0));
}

Value real(char op, double a, double b) {
  switch (op) {
    case '+': return Value(a + b);
    case '-': return Value(a - b);
    case '*': return Value(a * b);
    case '^': return Value(std::pow(a, b));
    default: break;
  }
  LL_CHECK(b != 0, "a division by zero");
  if (op == '/') return Value(a / b);
  if (op == '|') return Value(std::floor(a / b));
  const double rest = std::fmod(a, b);
  return Value(rest != 0 && ((rest < 0) != (b < 0)) ? rest + b : rest);
}

Value add_texts(const Text& a, const Text& b, Budget& budget) {
  budget.bytes(a.bytes.size() + b.bytes.size() + sizeof(Text));
  Text out = b.markup && !a.markup ? escaped(a) : a;
  append(out, a.markup && !b.markup ? escaped(b) : b);
  out.markup = a.markup || b.markup;
  return Value(std::move(out));
}

Value repeat(const Value& a, int64_t times, Budget& budget) {
  if (a.text()) return Value(repeat_text(*a.text(), times, budget));
  std::vector<Value> items;
  const std::vector<Value>& once = a.sequence()->items;
  times = once.empty() ? 0 : std::max<int64_t>(times, 0);
  budget.bytes(static_cast<size_t>(std::min<int64_t>(times, int64_t{1} << 40)) * once.size() * sizeof(Value));
  for (; times > 0; --times) items.insert(items.end(), once.begin(), once.end());
  return make_sequence(a.sequence()->kind, std::move(items), budget);
}

bool is_kind(const Value& v, Sequence::Kind kind) { return v.sequence() && v.sequence()->kind == kind; }
bool repeats(const Value& v) {
  return v.text() || is_kind(v, Sequence::Kind::list) || is_kind(v, Sequence::Kind::tuple);
}

}  // namespace

Value arithmetic(char op, const Value& a, const Value& b, Budget& budget) {
  refuse_undefined(a);
  int64_t i = 0, j = 0;
  double x = 0, y = 0;
  if (a.to_integer(i) && b.to_integer(j)) return whole(op, i, j);
  if (a.to_number(x) && b.to_number(y)) return real(op, x, y);
  if (op == '%' && a.text()) return Value(format_percent(*a.text(), b, budget));
  refuse_undefined(b);
  if (op == '+' && a.text() && b.text()) return add_texts(*a.text(), *b.text(), budget);
  if (op == '+' && a.sequence() && b.sequence() && a.sequence()->kind == b.sequence()->kind && repeats(a)) {
    std::vector<Value> items = a.sequence()->items;
    items.insert(items.end(), b.sequence()->items.begin(), b.sequence()->items.end());
    return make_sequence(a.sequence()->kind, std::move(items), budget);
  }
  if (op == '*' && repeats(a) && b.to_integer(j)) return repeat(a, j, budget);
  if (op == '*' && repeats(b) && a.to_integer(i)) return repeat(b, i, budget);
  no_operator(op, a, b);
}

Value negative(const Value& a) {
  int64_t i = 0, out = 0;
  refuse_undefined(a);
  if (a.to_integer(i)) {
    check_fits(__builtin_sub_overflow(int64_t{0}, i, &out));
    return Value(out);
  }
  const auto* d = a.get<double>();
  LL_CHECK(d, "a {} has no sign", type_name(a));
  return Value(-*d);
}

namespace {

// An end of a slice as Python clamps it.
int64_t bound(const Value& v, int64_t size, int64_t missing, int64_t least, int64_t most) {
  if (v.is_none()) return missing;
  int64_t i = 0;
  LL_CHECK(v.to_integer(i), "a slice goes from a {}, not a number", type_name(v));
  if (i < 0) i = i < -size ? -1 : i + size;
  return std::clamp(i, least, most);
}

}  // namespace

Value slice(const Value& a, const Value& start, const Value& stop, const Value& step, Budget& budget) {
  refuse_undefined(a);
  const Text* text = a.text();
  const Sequence* s = a.sequence();
  const bool whole = s && s->kind <= Sequence::Kind::range;
  if (!text && !whole) return Value::undefined(fmt::format("a {} has no slices", type_name(a)));
  int64_t by = 1;
  LL_CHECK(step.is_none() || step.to_integer(by), "the step of a slice is a {}", type_name(step));
  LL_CHECK(by != 0, "the step of a slice is zero");
  const int64_t n = text ? count_characters(text->bytes) : std::ssize(s->items);
  const int64_t first = by > 0 ? bound(start, n, 0, 0, n) : bound(start, n, n - 1, -1, n - 1);
  const int64_t end = by > 0 ? bound(stop, n, n, 0, n) : bound(stop, n, -1, -1, n - 1);
  by = std::clamp(by, -n - 1, n + 1);
  if (text && by == 1) {
    budget.bytes(text->bytes.size() + sizeof(Text));
    const size_t from = byte_of(text->bytes, first), to = byte_of(text->bytes, std::max(first, end));
    return Value(part(*text, from, to));
  }
  const std::vector<Value> characters = text ? iterate(a, budget) : std::vector<Value>();
  const std::vector<Value>& from = text ? characters : s->items;
  std::vector<Value> items;
  for (int64_t i = first; by > 0 ? i < end : i > end; i += by) items.push_back(from[static_cast<size_t>(i)]);
  if (!text) return make_sequence(s->kind, std::move(items), budget);
  Text out;
  for (const Value& v : items) append(out, *v.text());
  budget.bytes(out.bytes.size() + sizeof(Text));
  return Value(std::move(out));
}

Value at_place(const Value& a, int64_t place, Budget& budget) {
  const Text* text = a.text();
  const int64_t n = length_of(a);
  if (place < 0) place += n;
  if (place < 0 || place >= n) return Value::undefined(fmt::format("there is no item {} of {}", place, n));
  if (!text) return a.sequence()->items[static_cast<size_t>(place)];
  budget.steps(1 + static_cast<int64_t>(text->bytes.size() / 64));
  const size_t from = byte_of(text->bytes, place);
  return Value(part(*text, from, from + byte_of(std::string_view(text->bytes).substr(from), 1)));
}

double rounded(double x, int64_t digits) {
  if (!std::isfinite(x) || digits > 300) return x;
  if (digits < -300) return 0;
  if (digits < 0) {
    const double scale = std::pow(10.0, static_cast<double>(-digits));
    return std::nearbyint(x / scale) * scale;
  }
  return std::stod(fmt::format("{:.{}f}", x, digits));
}

}  // namespace lowland::jinja
