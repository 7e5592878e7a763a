// Methods of texts, dicts and lists.
#include <algorithm>
#include <map>

#include "models/chat/jinja/functions.h"
#include "models/chat/jinja/interpreter.h"
#include "models/chat/jinja/operators.h"

namespace lowland::jinja {
namespace {

using Method = Value (*)(Interpreter&, const Value& self, const std::string& name, Arguments&);

Value texts(Interpreter& run, std::vector<Text> parts, Sequence::Kind kind = Sequence::Kind::list) {
  std::vector<Value> items;
  for (Text& t : parts) {
    run.budget().bytes(t.bytes.size() + sizeof(Text));
    items.emplace_back(std::move(t));
  }
  return make_sequence(kind, std::move(items), run.budget());
}

Value text_strip(Interpreter&, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {"chars"});
  const Text* characters = p.some(0) ? &p.text(0) : nullptr;
  return Value(strip_text(*self.text(), characters, name != "rstrip", name != "lstrip"));
}

Value text_split(Interpreter& run, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {"sep", "maxsplit"});
  return texts(run, split_text(*self.text(), p.some(0) ? &p.text(0) : nullptr, p.integer(1, -1), name == "rsplit"));
}

Value text_partition(Interpreter& run, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {"sep"}, 1);
  const bool right = name == "rpartition";
  std::vector<Text> parts = split_text(*self.text(), &p.text(0), 1, right);
  if (parts.size() == 2)
    parts.insert(parts.begin() + 1, p.text(0));
  else
    parts.insert(right ? parts.begin() : parts.end(), 2, Text());
  return texts(run, std::move(parts), Sequence::Kind::tuple);
}

// startswith and endswith: of a text, or of one in a tuple.
Value text_begins(Interpreter&, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {"affix"}, 1);
  const std::string& bytes = self.text()->bytes;
  const auto fits = [&](const Value& v) {
    LL_CHECK(v.text(), "{} wants a text, and is given a {}", name, type_name(v));
    return name == "startswith" ? bytes.starts_with(v.text()->bytes) : bytes.ends_with(v.text()->bytes);
  };
  const Sequence* tuple = p[0].sequence();
  if (!tuple || tuple->kind != Sequence::Kind::tuple) return Value(fits(p[0]));
  return Value(std::any_of(tuple->items.begin(), tuple->items.end(), fits));
}

Value text_remove(Interpreter&, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {"affix"}, 1);
  const Text& text = *self.text();
  const std::string& affix = p.text(0).bytes;
  if (name == "removeprefix")
    return text.bytes.starts_with(affix) ? Value(part(text, affix.size(), text.bytes.size())) : self;
  return text.bytes.ends_with(affix) ? Value(part(text, 0, text.bytes.size() - affix.size())) : self;
}

Value text_replace(Interpreter& run, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {"old", "new", "count"}, 2);
  const bool markup = self.text()->markup;
  const auto fitting = [markup](const Text& t) { return markup && !t.markup ? escaped(t) : t; };
  return Value(replace_text(*self.text(), fitting(p.text(0)), fitting(p.text(1)), p.integer(2, -1), run.budget()));
}

Value text_case(Interpreter& run, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {});
  run.budget().bytes(3 * self.text()->bytes.size());
  const Case to = name == "upper"        ? Case::upper
                  : name == "lower"      ? Case::lower
                  : name == "capitalize" ? Case::capitalize
                  : name == "title"      ? Case::title
                  : name == "swapcase"   ? Case::swap
                                         : Case::fold;
  return Value(change_case(*self.text(), to));
}

Value text_is(Interpreter& run, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {});
  run.budget().steps(1 + std::ssize(self.text()->bytes) / 64);
  return Value(is_text(*self.text(), name));
}

// find, rfind, index, rindex and count, in characters.
Value text_find(Interpreter& run, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {"sub", "start", "end"}, 1);
  const Value start = p.value(1, Value(None{})), end = p.value(2, Value(None{}));
  const Value window = slice(self, start, end, Value(None{}), run.budget());
  const std::string &bytes = window.text()->bytes, &wanted = p.text(0).bytes;
  run.budget().steps(1 + std::ssize(bytes) / 64);
  if (name == "count") {
    int64_t n = 0;
    if (wanted.empty()) return Value(count_characters(bytes) + 1);
    for (size_t at = 0; (at = bytes.find(wanted, at)) != std::string::npos; at += wanted.size()) ++n;
    return Value(n);
  }
  const size_t at = name[0] == 'r' ? bytes.rfind(wanted) : bytes.find(wanted);
  if (at == std::string::npos) {
    LL_CHECK(!name.ends_with("index"), "a text does not hold what .{} looks for", name);
    return Value(int64_t{-1});
  }
  int64_t first = 0;
  if (!start.is_none()) {
    LL_CHECK(start.to_integer(first), ".{} begins at a {}", name, type_name(start));
    const int64_t n = count_characters(self.text()->bytes);
    first = std::clamp<int64_t>(first < 0 ? first + n : first, 0, n);
  }
  return Value(first + count_characters(std::string_view(bytes).substr(0, at)));
}

Value text_join(Interpreter& run, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {"iterable"}, 1);
  std::vector<Text> parts;
  for (const Value& v : iterate(p[0], run.budget())) {
    LL_CHECK(v.text(), ".join wants texts, and is given a {}", type_name(v));
    parts.push_back(*v.text());
  }
  return Value(join_texts(*self.text(), parts, run.budget()));
}

// ljust, rjust, center and zfill.
Value text_pad(Interpreter& run, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {"width", "fillchar"}, 1);
  const Text& text = *self.text();
  Text fill = name == "zfill" ? *make_text("0") : p.given(1) ? p.text(1) : *make_text(" ");
  LL_CHECK(count_characters(fill.bytes) == 1, ".{} fills with one character", name);
  const int64_t width = p.integer(0, 0), missing = std::max<int64_t>(width - count_characters(text.bytes), 0);
  const int64_t left = name == "ljust" ? 0 : name == "center" ? missing / 2 + (missing & width & 1) : missing;
  const bool sign = name == "zfill" && (text.bytes.starts_with('-') || text.bytes.starts_with('+'));
  Text out = part(text, 0, sign ? 1 : 0);
  append(out, repeat_text(fill, left, run.budget()));
  append(out, part(text, sign ? 1 : 0, text.bytes.size()));
  append(out, repeat_text(fill, missing - left, run.budget()));
  return Value(std::move(out));
}

Value text_lines(Interpreter& run, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {"keepends"});
  return texts(run, split_lines(*self.text(), p.flag(0, false)));
}

Value text_format(Interpreter& run, const Value& self, const std::string&, Arguments& arguments) {
  return Value(format_braces(run, *self.text(), arguments));
}

Value text_tabs(Interpreter& run, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {"tabsize"});
  const int64_t size = p.integer(0, 8);
  int64_t column = 0;
  Text out;
  const std::vector<Value> characters = iterate(self, run.budget());
  for (const Value& c : characters) {
    const std::string& bytes = c.text()->bytes;
    if (bytes == "\t") {
      const int64_t blanks = size > 0 ? size - column % size : 0;
      append(out, repeat_text(*make_text(" "), blanks, run.budget()));
      column += blanks;
    } else {
      append(out, *c.text());
      column = bytes == "\n" || bytes == "\r" ? 0 : column + 1;
    }
  }
  return Value(std::move(out));
}

Value dict_get(Interpreter& run, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {"key", "default"}, 1);
  run.budget().steps(1 + std::ssize(self.dict()->items) / 8);
  for (const auto& [key, value] : self.dict()->items)
    if (equal(key, p[0], run.budget())) return value;
  return p.value(1, Value(None{}));
}

// keys, values, items.
Value dict_view(Interpreter& run, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {});
  std::vector<Value> items;
  for (const auto& [key, value] : self.dict()->items) {
    items.push_back(name == "keys"     ? key
                    : name == "values" ? value
                                       : make_sequence(Sequence::Kind::tuple, {key, value}, run.budget()));
  }
  const auto kind = name == "keys"     ? Sequence::Kind::keys
                    : name == "values" ? Sequence::Kind::values
                                       : Sequence::Kind::items;
  return make_sequence(kind, std::move(items), run.budget());
}

Value copy(Interpreter&, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {});
  return self;
}

// index and count.
Value list_find(Interpreter& run, const Value& self, const std::string& name, Arguments& arguments) {
  const Parameters p(name, arguments, {"value"}, 1);
  int64_t count = 0, place = 0;
  for (const Value& v : self.sequence()->items) {
    const bool same = equal(v, p[0], run.budget());
    if (same && name == "index") return Value(place);
    count += same ? 1 : 0;
    ++place;
  }
  LL_CHECK(name == "count", "a list does not hold what .index looks for");
  return Value(count);
}

const std::map<std::string_view, Method>& text_methods() {
  static const std::map<std::string_view, Method> methods = {{"strip", text_strip},
                                                             {"lstrip", text_strip},
                                                             {"rstrip", text_strip},
                                                             {"split", text_split},
                                                             {"rsplit", text_split},
                                                             {"partition", text_partition},
                                                             {"rpartition", text_partition},
                                                             {"startswith", text_begins},
                                                             {"endswith", text_begins},
                                                             {"removeprefix", text_remove},
                                                             {"removesuffix", text_remove},
                                                             {"replace", text_replace},
                                                             {"upper", text_case},
                                                             {"lower", text_case},
                                                             {"capitalize", text_case},
                                                             {"title", text_case},
                                                             {"swapcase", text_case},
                                                             {"casefold", text_case},
                                                             {"isalpha", text_is},
                                                             {"isdecimal", text_is},
                                                             {"isdigit", text_is},
                                                             {"isnumeric", text_is},
                                                             {"isalnum", text_is},
                                                             {"isspace", text_is},
                                                             {"isupper", text_is},
                                                             {"islower", text_is},
                                                             {"istitle", text_is},
                                                             {"isascii", text_is},
                                                             {"isidentifier", text_is},
                                                             {"find", text_find},
                                                             {"rfind", text_find},
                                                             {"index", text_find},
                                                             {"rindex", text_find},
                                                             {"count", text_find},
                                                             {"join", text_join},
                                                             {"ljust", text_pad},
                                                             {"rjust", text_pad},
                                                             {"center", text_pad},
                                                             {"zfill", text_pad},
                                                             {"splitlines", text_lines},
                                                             {"format", text_format},
                                                             {"expandtabs", text_tabs}};
  return methods;
}

Method find_method(const Value& self, std::string_view name) {
  if (self.text()) {
    const auto at = text_methods().find(name);
    return at == text_methods().end() ? nullptr : at->second;
  }
  const bool list = self.sequence() && self.sequence()->kind <= Sequence::Kind::range;
  if (list && (name == "index" || name == "count")) return list_find;
  if (list && name == "copy" && self.sequence()->kind == Sequence::Kind::list) return copy;
  if (!self.dict()) return nullptr;
  if (name == "get") return dict_get;
  if (name == "copy") return copy;
  return name == "keys" || name == "values" || name == "items" ? dict_view : nullptr;
}

}  // namespace

bool has_method(const Value& self, std::string_view name) { return find_method(self, name) != nullptr; }

Value call_method(Interpreter& run, const Value& self, const std::string& name, Arguments& arguments) {
  return find_method(self, name)(run, self, name, arguments);
}

}  // namespace lowland::jinja
