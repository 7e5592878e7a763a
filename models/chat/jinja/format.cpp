// Python's str.format and the operator % of texts.
#include <charconv>
#include <cstdio>

#include "models/chat/jinja/functions.h"
#include "models/chat/jinja/interpreter.h"

namespace lowland::jinja {
namespace {

constexpr int64_t kWidest = 1000;

// A number at the start of `rest`, taken away; -1 where there is none.
int64_t take_number(std::string_view& rest) {
  int64_t n = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), n);
  if (error != std::errc() || rest.starts_with('-')) return -1;
  rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  return n;
}

// 1234567.5 as 1,234,567.5.
std::string grouped(std::string number) {
  const size_t first = std::min(number.find_first_of("0123456789"), number.size());
  const size_t end = std::min(number.find_first_not_of("0123456789", first), number.size());
  for (size_t at = end; at > first + 3;) number.insert(at -= 3, ",");
  return number;
}

// `spec` of {:spec}, which fmt reads as Python does.
std::string by_spec(const Value& value, std::string_view spec) {
  for (std::string_view rest = spec; !rest.empty();) {
    const int64_t n = take_number(rest);
    LL_CHECK(n <= kWidest, "a format is wider than {}", kWidest);
    if (n < 0) rest.remove_prefix(1);
  }
  if (const size_t comma = spec.find(','); comma != spec.npos) {
    const std::string before(spec.substr(0, comma));
    LL_CHECK(before.empty() || before == "+", "a format with a comma and a width is not supported");
    return grouped(by_spec(value, before + std::string(spec.substr(comma + 1))));
  }
  const std::string pattern = "{:" + std::string(spec) + "}";
  LL_CHECK(spec.find_first_of("{}") == spec.npos, "formats within formats are not supported");
  try {
    if (const auto* b = value.get<bool>()) return fmt::format(fmt::runtime(pattern), *b ? 1 : 0);
    if (const auto* i = value.get<int64_t>()) {
      const bool as_float = !spec.empty() && std::string_view("fFeEgG%").find(spec.back()) != spec.npos;
      return as_float ? by_spec(Value(static_cast<double>(*i)), spec) : fmt::format(fmt::runtime(pattern), *i);
    }
    if (const auto* d = value.get<double>()) {
      if (!spec.ends_with('%')) return fmt::format(fmt::runtime(pattern), *d);
      return by_spec(Value(*d * 100), std::string(spec.substr(0, spec.size() - 1)) + "f") + "%";
    }
    if (const Text* t = value.text()) return fmt::format(fmt::runtime(pattern), t->bytes);
  } catch (const fmt::format_error&) {
    fail("a {} has no format '{}'", type_name(value), spec);
  }
  fail("a {} has no format '{}'", type_name(value), spec);
}

// {0}, {name}, {name.attribute}, {name[key]}.
Value field(Interpreter& run, std::string_view name, const Arguments& arguments, int64_t& next) {
  const std::string first(name.substr(0, name.find_first_of(".[")));
  std::string_view rest = name.substr(first.size());
  Value value;
  std::string_view digits = first;
  const int64_t number = first.empty() ? next++ : take_number(digits);
  if (number >= 0 && digits.empty()) {
    LL_CHECK(number < std::ssize(arguments.positional), "a format asks for value {}, which is not there", number);
    value = arguments.positional[static_cast<size_t>(number)];
  } else {
    bool found = false;
    for (const auto& [key, given] : arguments.named) {
      if (key != first) continue;
      value = given;
      found = true;
    }
    LL_CHECK(found, "a format asks for '{}', which is not there", first);
  }
  while (!rest.empty()) {
    const bool bracket = rest[0] == '[';
    rest.remove_prefix(1);
    const size_t end = bracket ? rest.find(']') : std::min(rest.find_first_of(".["), rest.size());
    LL_CHECK(end != rest.npos, "a format's [ does not close");
    std::string_view key = rest.substr(0, end);
    std::string_view left = key;
    const int64_t index = take_number(left);
    const bool by_number = bracket && index >= 0 && left.empty();
    value = !bracket    ? run.attribute(value, std::string(key))
            : by_number ? run.item(value, Value(index))
                        : run.item(value, Value(std::string(key)));
    rest.remove_prefix(end + (bracket ? 1 : 0));
  }
  return value;
}

}  // namespace

Text format_braces(Interpreter& run, const Text& text, const Arguments& arguments) {
  Text out;
  out.markup = text.markup;
  const std::string& all = text.bytes;
  int64_t next = 0;
  for (size_t at = 0; at < all.size();) {
    const size_t brace = all.find_first_of("{}", at);
    append(out, part(text, at, brace));
    if (brace == std::string::npos) break;
    if (brace + 1 < all.size() && all[brace + 1] == all[brace]) {
      append(out, part(text, brace, brace + 1));
      at = brace + 2;
      continue;
    }
    const size_t end = all.find('}', brace);
    LL_CHECK(all[brace] == '{' && end != std::string::npos, "a brace of a format stands alone");
    const std::string_view inside = std::string_view(all).substr(brace + 1, end - brace - 1);
    const size_t colon = std::min(inside.find(':'), inside.size());
    const size_t mark = std::min(inside.substr(0, colon).find('!'), colon);
    Value value = field(run, inside.substr(0, mark), arguments, next);
    if (mark < colon) {
      const std::string_view how = inside.substr(mark + 1, colon - mark - 1);
      LL_CHECK(how == "r" || how == "s", "a format's conversion !{} is not supported", how);
      value = how == "r" ? Value(to_repr(value, run.budget())) : Value(to_text(value, run.budget()));
    }
    Text piece = to_text(value, run.budget());
    if (colon + 1 < inside.size()) piece = remade(piece, by_spec(value, inside.substr(colon + 1)));
    run.budget().bytes(piece.bytes.size());
    append(out, piece);
    at = end + 1;
  }
  return out;
}

namespace {

// One % conversion: flags, width, precision and letter at the start of `rest`, taken away.
Text percent(std::string_view& rest, const Value& value, Budget& budget) {
  std::string spec = "%";
  while (!rest.empty() && std::string_view("-+ #0").find(rest[0]) != rest.npos) {
    spec += rest[0];
    rest.remove_prefix(1);
  }
  for (const bool precision : {false, true}) {
    if (precision && !rest.starts_with('.')) break;
    if (precision) rest.remove_prefix(1);
    const int64_t n = take_number(rest);
    LL_CHECK(n <= kWidest, "a format is wider than {}", kWidest);
    if (precision) spec += '.';
    if (n >= 0) spec += std::to_string(n);
  }
  LL_CHECK(!rest.empty(), "a format ends behind %");
  const char letter = rest[0];
  rest.remove_prefix(1);
  char buffer[2 * kWidest];
  int64_t i = 0;
  double d = 0;
  if (letter == 's' || letter == 'r') {
    Text text = letter == 's' ? to_text(value, budget) : remade(to_text(value, budget), to_repr(value, budget));
    if (spec == "%") return text;
    spec += 's';
    LL_CHECK(text.bytes.size() < kWidest, "a text of a format with a width is longer than {}", kWidest);
    std::snprintf(buffer, sizeof buffer, spec.c_str(), text.bytes.c_str());
    return remade(text, buffer);
  }
  LL_CHECK(std::string_view("diuxXofFeEgG").find(letter) != std::string_view::npos, "a format has %{}", letter);
  LL_CHECK(value.to_number(d), "a {} is put where %{} wants a number", type_name(value), letter);
  if (std::string_view("fFeEgG").find(letter) != std::string_view::npos) {
    LL_CHECK(std::abs(d) < 1e300, "a number of a format is too large");
    spec += letter;
    std::snprintf(buffer, sizeof buffer, spec.c_str(), d);
  } else {
    if (!value.to_integer(i)) i = static_cast<int64_t>(std::abs(d) < 9e18 ? d : 0);
    spec += "ll";
    spec += letter == 'i' || letter == 'u' ? 'd' : letter;
    std::snprintf(buffer, sizeof buffer, spec.c_str(), static_cast<long long>(i));
  }
  Text out;
  out.bytes = buffer;
  return out;
}

}  // namespace

Text format_percent(const Text& text, const Value& arguments, Budget& budget) {
  const Sequence* tuple = arguments.sequence();
  if (tuple && tuple->kind != Sequence::Kind::tuple) tuple = nullptr;
  size_t next = 0;
  const size_t count = tuple ? tuple->items.size() : 1;
  Text out;
  out.markup = text.markup;
  bool named = false;
  for (size_t at = 0; at < text.bytes.size();) {
    const size_t sign = std::min(text.bytes.find('%', at), text.bytes.size());
    append(out, part(text, at, sign));
    if (sign == text.bytes.size()) break;
    std::string_view rest = std::string_view(text.bytes).substr(sign + 1);
    if (rest.starts_with('%')) {
      out.bytes += '%';
      at = sign + 2;
      continue;
    }
    Value value;
    if (rest.starts_with('(')) {
      const size_t close = rest.find(')');
      LL_CHECK(close != rest.npos && arguments.dict(), "%(name) of a format wants a dict");
      const Value* found = arguments.dict()->find(rest.substr(1, close - 1));
      LL_CHECK(found, "a format asks for '{}', which is not there", rest.substr(1, close - 1));
      value = *found;
      named = true;
      rest.remove_prefix(close + 1);
    } else {
      LL_CHECK(next < count, "a format has more places than values");
      value = tuple ? tuple->items[next] : arguments;
      ++next;
    }
    const Text piece = percent(rest, value, budget);
    budget.bytes(piece.bytes.size());
    append(out, piece);
    at = text.bytes.size() - rest.size();
  }
  const bool mapping = arguments.dict() || (arguments.sequence() && !tuple);
  LL_CHECK(next == count || named || mapping, "a format has fewer places than values");
  return out;
}

}  // namespace lowland::jinja
