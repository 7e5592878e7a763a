// Filters of single values.
#include <charconv>
#include <cmath>

#include "models/chat/jinja/filters.h"
#include "models/chat/jinja/operators.h"

namespace lowland::jinja {
namespace {

template <Case to> Value change(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("a filter", a, {});
  const Text text = soft_text(run, v);
  run.budget().bytes(3 * text.bytes.size());
  return Value(change_case(text, to));
}

Value trim(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("trim", a, {"chars"});
  return Value(strip_text(soft_text(run, v), p.some(0) ? &p.text(0) : nullptr, true, true));
}

Value string(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("string", a, {});
  return Value(soft_text(run, v));
}

Value safe(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("safe", a, {});
  Text text = soft_text(run, v);
  text.markup = true;
  return Value(std::move(text));
}

Value escape(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("escape", a, {});
  const Text text = soft_text(run, v);
  run.budget().bytes(5 * text.bytes.size());
  return Value(text.markup ? text : escaped(text));
}

Value force_escape(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("forceescape", a, {});
  const Text text = to_text(v, run.budget());
  run.budget().bytes(5 * text.bytes.size());
  return Value(escaped(text));
}

Value replace(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("replace", a, {"old", "new", "count"}, 2);
  const Text from = to_text(p[0], run.budget()), to = to_text(p[1], run.budget());
  return Value(replace_text(to_text(v, run.budget()), from, to, p.some(2) ? p.integer(2, -1) : -1, run.budget()));
}

// Words begin behind blanks, brackets and hyphens.
Value title(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("title", a, {});
  const Text text = soft_text(run, v);
  run.budget().bytes(3 * text.bytes.size());
  std::string out;
  bool within = false;
  for (const Value& c : iterate(Value(text), run.budget())) {
    const Text& character = *c.text();
    const bool mark = std::string_view("-({[<").find(character.bytes) != std::string_view::npos;
    out += change_case(character, within ? Case::lower : Case::upper).bytes;
    within = !mark && !is_text(character, "isspace");
  }
  return Value(remade(text, std::move(out)));
}

Value center(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("center", a, {"width"});
  Arguments width;
  width.positional.emplace_back(p.integer(0, 80));
  return call_method(run, Value(soft_text(run, v)), "center", width);
}

Value indent(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("indent", a, {"width", "first", "blank"});
  LL_CHECK(v.text(), "indent is given a {} for a text", type_name(v));
  const Text blanks =
      p.given(0) && p[0].text() ? p.text(0) : repeat_text(*make_text(" "), p.integer(0, 4), run.budget());
  Text out, line_end = *make_text("\n"), text = *v.text();
  append(text, line_end);
  const std::vector<Text> lines = split_lines(text, false);
  for (size_t i = 0; i < lines.size(); ++i) {
    run.budget().bytes(lines[i].bytes.size() + blanks.bytes.size() + 1);
    if (i > 0) append(out, line_end);
    if (i == 0 ? p.flag(1, false) : p.flag(2, false) || !lines[i].bytes.empty()) append(out, blanks);
    append(out, lines[i]);
  }
  out.markup = text.markup;
  return Value(std::move(out));
}

Value truncate(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("truncate", a, {"length", "killwords", "end", "leeway"});
  LL_CHECK(v.text(), "truncate is given a {} for a text", type_name(v));
  const Text end = p.given(2) ? p.text(2) : *make_text("...");
  const int64_t length = p.integer(0, 255), kept = length - count_characters(end.bytes);
  const int64_t leeway = p.some(3) ? p.integer(3, 5) : 5;
  LL_CHECK(kept >= 0 && leeway >= 0, "truncate to {} characters has no room for its end", length);
  if (count_characters(v.text()->bytes) <= length + leeway) return v;
  Text out = part(*v.text(), 0, byte_of(v.text()->bytes, kept));
  if (!p.flag(1, false)) out = split_text(out, make_text(" ").get(), 1, true)[0];
  run.budget().bytes(out.bytes.size() + end.bytes.size());
  append(out, end);
  return Value(std::move(out));
}

Value word_count(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("wordcount", a, {});
  int64_t words = 0;
  bool within = false;
  for (const Value& c : iterate(Value(soft_text(run, v)), run.budget())) {
    const bool letter = is_text(*c.text(), "isalnum") || c.text()->bytes == "_";
    words += letter && !within ? 1 : 0;
    within = letter;
  }
  return Value(words);
}

Value url_encode(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("urlencode", a, {});
  LL_CHECK(!v.dict() && !v.sequence(), "urlencode of a {} is not supported", type_name(v));
  const Text text = to_text(v, run.budget());
  std::string out;
  for (const char c : text.bytes) {
    const bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
                       std::string_view("_.-~/").find(c) != std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return Value(remade(text, std::move(out)));
}

// --- numbers

// A text as Python's int(text, base) reads it.
bool parse_integer(const Text& text, int64_t base, int64_t& out) {
  std::string digits = strip_text(text, nullptr, true, true).bytes;
  const bool minus = digits.starts_with('-');
  if (minus || digits.starts_with('+')) digits.erase(0, 1);
  const std::string prefix = digits.size() > 2 && digits[0] == '0' ? std::string(1, digits[1] | 32) : "";
  for (const auto& [letter, of] : {std::pair{"x", 16}, std::pair{"o", 8}, std::pair{"b", 2}}) {
    if (prefix != letter || (base != of && base != 0)) continue;
    digits.erase(0, 2);
    base = of;
  }
  if (base == 0) base = 10;
  if (digits.starts_with('_') || digits.ends_with('_') || digits.find("__") != digits.npos || base < 2 || base > 36)
    return false;
  std::erase(digits, '_');
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return false;
  if (minus) digits.insert(0, "-");
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out, static_cast<int>(base));
  LL_CHECK(error != std::errc::result_out_of_range, "a number does not fit in 64 bits");
  return error == std::errc() && end == digits.data() + digits.size();
}

bool parse_real(const Text& text, double& out) {
  std::string digits = strip_text(text, nullptr, true, true).bytes;
  if (digits.starts_with('+') && !digits.starts_with("+-")) digits.erase(0, 1);
  if (digits.starts_with('_') || digits.ends_with('_') || digits.find("__") != digits.npos) return false;
  std::erase(digits, '_');
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return error == std::errc() && !digits.empty() && end == digits.data() + digits.size();
}

Value to_int(Interpreter&, const Value& v, Arguments& a) {
  const Parameters p("int", a, {"default", "base"});
  int64_t whole = 0;
  double real = 0;
  if (v.text() && parse_integer(*v.text(), p.integer(1, 10), whole)) return Value(whole);
  if (v.to_integer(whole)) return Value(whole);
  if ((v.text() && parse_real(*v.text(), real)) || v.to_number(real)) {
    if (std::abs(real) < 9.2e18) return Value(static_cast<int64_t>(real));
    LL_CHECK(!std::isfinite(real), "a number does not fit in 64 bits");
  }
  return p.value(0, Value(int64_t{0}));
}

Value to_float(Interpreter&, const Value& v, Arguments& a) {
  const Parameters p("float", a, {"default"});
  double real = 0;
  if ((v.text() && parse_real(*v.text(), real)) || v.to_number(real)) return Value(real);
  return p.value(0, Value(0.0));
}

Value absolute(Interpreter&, const Value& v, Arguments& a) {
  const Parameters p("abs", a, {});
  double x = 0;
  LL_CHECK(v.to_number(x), "abs is given a {}", type_name(v));
  int64_t i = 0;
  if (v.to_integer(i)) return i < 0 ? negative(v) : Value(i);
  return Value(std::abs(x));
}

Value round(Interpreter&, const Value& v, Arguments& a) {
  const Parameters p("round", a, {"precision", "method"});
  double x = 0;
  LL_CHECK(v.to_number(x), "round is given a {}", type_name(v));
  const std::string method = p.given(1) ? p.text(1).bytes : "common";
  const int64_t digits = p.integer(0, 0);
  if (method == "common") {
    int64_t i = 0;
    if (!v.to_integer(i)) return Value(rounded(x, digits));
    return digits >= 0 ? Value(i) : Value(static_cast<int64_t>(rounded(x, digits)));
  }
  LL_CHECK(method == "ceil" || method == "floor", "the method of round is common, ceil or floor, not {}", method);
  const double scale = std::pow(10.0, static_cast<double>(digits));
  return Value((method == "ceil" ? std::ceil(x * scale) : std::floor(x * scale)) / scale);
}

Value format(Interpreter& run, const Value& v, Arguments& a) {
  LL_CHECK(a.positional.empty() || a.named.empty(), "format takes values in order or by name, not both");
  std::vector<std::pair<Value, Value>> named;
  for (const auto& [key, value] : a.named) named.emplace_back(Value(key), value);
  const Value values = named.empty() ? make_sequence(Sequence::Kind::tuple, a.positional, run.budget())
                                     : make_dict(std::move(named), run.budget());
  return Value(format_percent(soft_text(run, v), values, run.budget()));
}

Value default_value(Interpreter&, const Value& v, Arguments& a) {
  const Parameters p("default", a, {"default_value", "boolean"});
  return v.is_undefined() || (p.flag(1, false) && !truth(v)) ? p.value(0, Value("")) : v;
}

Value json(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("tojson", a, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = p.flag(0, false);
  style.sorted = p.flag(3, false);
  if (p.some(1)) {
    style.indented = true;
    style.item = ",";
    style.indent = p[1].text() ? p.text(1).bytes : repeat_text(*make_text(" "), p.integer(1, 0), run.budget()).bytes;
  }
  if (p.some(2)) {
    const std::vector<Value> both = iterate(p[2], run.budget());
    LL_CHECK(both.size() == 2 && both[0].text() && both[1].text(), "separators of tojson are two texts");
    style.item = both[0].text()->bytes;
    style.key = both[1].text()->bytes;
  }
  return Value(to_json(v, style, run.budget()));
}

Value unsupported(Interpreter&, const Value&, Arguments&) {
  fail("the filters pprint, random, urlize, xmlattr, striptags, wordwrap and filesizeformat are not supported");
}

}  // namespace

const Filters& text_filters() {
  static const Filters filters = {{"upper", change<Case::upper>},
                                  {"lower", change<Case::lower>},
                                  {"capitalize", change<Case::capitalize>},
                                  {"title", title},
                                  {"trim", trim},
                                  {"string", string},
                                  {"safe", safe},
                                  {"escape", escape},
                                  {"e", escape},
                                  {"forceescape", force_escape},
                                  {"replace", replace},
                                  {"center", center},
                                  {"indent", indent},
                                  {"truncate", truncate},
                                  {"wordcount", word_count},
                                  {"urlencode", url_encode},
                                  {"int", to_int},
                                  {"float", to_float},
                                  {"abs", absolute},
                                  {"round", round},
                                  {"format", format},
                                  {"default", default_value},
                                  {"d", default_value},
                                  {"tojson", json},
                                  {"pprint", unsupported},
                                  {"random", unsupported},
                                  {"urlize", unsupported},
                                  {"xmlattr", unsupported},
                                  {"striptags", unsupported},
                                  {"wordwrap", unsupported},
                                  {"filesizeformat", unsupported}};
  return filters;
}

Filter find_filter(std::string_view name) {
  for (const Filters* filters : {&text_filters(), &list_filters()}) {
    const auto at = filters->find(name);
    if (at != filters->end()) return at->second;
  }
  return nullptr;
}

}  // namespace lowland::jinja
