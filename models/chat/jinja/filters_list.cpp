// Filters of lists and dicts. What Python makes one after another is made at once, and read once.
#include <algorithm>
#include <charconv>

#include "models/chat/jinja/filters.h"
#include "models/chat/jinja/operators.h"

namespace lowland::jinja {
namespace {

Value iterator(Interpreter& run, std::vector<Value> items) {
  return make_sequence(Sequence::Kind::iterator, std::move(items), run.budget());
}

Value tuple(Interpreter& run, std::vector<Value> items) {
  return make_sequence(Sequence::Kind::tuple, std::move(items), run.budget());
}

// A text in lower case, another value as it is: what is compared unless case counts.
Value without_case(const Value& v) { return v.text() ? Value(change_case(*v.text(), Case::lower)) : v; }

Value length(Interpreter&, const Value& v, Arguments& a) {
  const Parameters p("length", a, {});
  return Value(length_of(v));
}

Value first(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("first", a, {});
  Sequence* s = v.sequence();
  if (s && s->kind == Sequence::Kind::iterator && s->next < s->items.size()) return s->items[s->next++];
  const std::vector<Value> items = iterate(v, run.budget());
  return items.empty() ? Value::undefined("there is no first item: the list is empty") : items.front();
}

Value last(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("last", a, {});
  LL_CHECK(!v.sequence() || v.sequence()->kind != Sequence::Kind::iterator, "a generator has no last item");
  const std::vector<Value> items = iterate(v, run.budget());
  return items.empty() ? Value::undefined("there is no last item: the list is empty") : items.back();
}

Value list(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("list", a, {});
  return make_list(iterate(v, run.budget()), run.budget());
}

Value reverse(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("reverse", a, {});
  std::vector<Value> items = iterate(v, run.budget());
  std::reverse(items.begin(), items.end());
  if (!v.text()) return iterator(run, std::move(items));
  Text out;
  for (const Value& c : items) append(out, *c.text());
  return Value(std::move(out));
}

Value join(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("join", a, {"d", "attribute"});
  std::vector<Text> parts;
  for (const Value& item : iterate(v, run.budget()))
    parts.push_back(to_text(p.some(1) ? follow(run, item, p[1]) : item, run.budget()));
  return Value(join_texts(to_text(p.value(0, Value("")), run.budget()), parts, run.budget()));
}

Value items(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("items", a, {});
  LL_CHECK(v.is_undefined() || v.dict(), "items is given a {}, not a dict", type_name(v));
  std::vector<Value> out;
  if (v.dict())
    for (const auto& [key, value] : v.dict()->items) out.push_back(tuple(run, {key, value}));
  return iterator(run, std::move(out));
}

Value sort_dict(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("dictsort", a, {"case_sensitive", "by", "reverse"});
  LL_CHECK(v.dict(), "dictsort is given a {}, not a dict", type_name(v));
  const std::string by = p.given(1) ? p.text(1).bytes : "key";
  LL_CHECK(by == "key" || by == "value", "dictsort goes by key or value, not by {}", by);
  std::vector<Value> out, keys;
  for (const auto& [key, value] : v.dict()->items) {
    const Value& counts = by == "key" ? key : value;
    keys.push_back(p.flag(0, false) ? counts : without_case(counts));
    out.push_back(tuple(run, {key, value}));
  }
  return make_list(sorted(run, std::move(out), keys, p.flag(2, false)), run.budget());
}

Value sort(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("sort", a, {"reverse", "case_sensitive", "attribute"});
  std::vector<Value> all = iterate(v, run.budget()), keys;
  std::vector<Value> paths = {p.value(2, Value(None{}))};
  if (paths[0].text()) {
    const Text comma = *make_text(","), path = *paths[0].text();
    paths.clear();
    for (Text& part : split_text(path, &comma, -1, false)) paths.emplace_back(std::move(part));
  }
  for (const Value& item : all) {
    std::vector<Value> key;
    for (const Value& path : paths) {
      const Value counts = follow(run, item, path);
      key.push_back(p.flag(1, false) ? counts : without_case(counts));
    }
    keys.push_back(make_list(std::move(key), run.budget()));
  }
  return make_list(sorted(run, std::move(all), keys, p.flag(0, false)), run.budget());
}

Value unique(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("unique", a, {"case_sensitive", "attribute"});
  std::vector<Value> out, seen;
  for (Value& item : iterate(v, run.budget())) {
    Value key = follow(run, item, p.value(1, Value(None{})));
    if (!p.flag(0, false)) key = without_case(key);
    const auto same = [&](const Value& other) { return equal(other, key, run.budget()); };
    if (std::any_of(seen.begin(), seen.end(), same)) continue;
    seen.push_back(std::move(key));
    out.push_back(std::move(item));
  }
  return iterator(run, std::move(out));
}

template <int wanted> Value extreme(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("min and max", a, {"case_sensitive", "attribute"});
  Value best = Value::undefined("there is no least or greatest item: the list is empty"), best_key;
  bool any = false;
  for (Value& item : iterate(v, run.budget())) {
    Value key = follow(run, item, p.value(1, Value(None{})));
    if (!p.flag(0, false)) key = without_case(key);
    if (any && order(key, best_key, run.budget()) != wanted) continue;
    best = std::move(item);
    best_key = std::move(key);
    any = true;
  }
  return best;
}

Value sum(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("sum", a, {"attribute", "start"});
  Value total = p.value(1, Value(int64_t{0}));
  LL_CHECK(!total.text(), "sum does not add texts");
  for (const Value& item : iterate(v, run.budget()))
    total = arithmetic('+', total, p.some(0) ? follow(run, item, p[0]) : item, run.budget());
  return total;
}

Value map(Interpreter& run, const Value& v, Arguments& a) {
  std::vector<Value> out;
  if (!truth(v)) return iterator(run, {});
  if (a.positional.empty()) {
    const Parameters p("map", a, {"attribute", "default"}, 1);
    for (const Value& item : iterate(v, run.budget())) {
      const Value found = follow(run, item, p[0]);
      out.push_back(found.is_undefined() && p.some(1) ? p[1] : found);
    }
    return iterator(run, std::move(out));
  }
  LL_CHECK(a.positional[0].text(), "map wants the name of a filter, and is given a {}", type_name(a.positional[0]));
  Arguments rest = a;
  rest.positional.erase(rest.positional.begin());
  for (const Value& item : iterate(v, run.budget())) {
    Arguments once = rest;
    out.push_back(run.filter(a.positional[0].text()->bytes, item, once));
  }
  return iterator(run, std::move(out));
}

// select, reject, selectattr, rejectattr.
template <bool wanted, bool by_attribute> Value choose(Interpreter& run, const Value& v, Arguments& a) {
  if (!truth(v)) return iterator(run, {});
  Arguments rest = a;
  const auto take = [&rest] {
    Value out = rest.positional.front();
    rest.positional.erase(rest.positional.begin());
    return out;
  };
  LL_CHECK(!by_attribute || !rest.positional.empty(), "selectattr and rejectattr want the name of an attribute");
  const Value path = by_attribute ? take() : Value(None{});
  const bool tested = !rest.positional.empty();
  const Value name = tested ? take() : Value("");
  LL_CHECK(name.text(), "the name of a test is a {}", type_name(name));
  std::vector<Value> out;
  for (Value& item : iterate(v, run.budget())) {
    const Value counts = follow(run, item, path);
    Arguments once = rest;
    if ((tested ? run.test(name.text()->bytes, counts, once) : truth(counts)) == wanted) out.push_back(std::move(item));
  }
  return iterator(run, std::move(out));
}

Value batch(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("batch", a, {"linecount", "fill_with"}, 1);
  const int64_t count = p.integer(0, 1);
  LL_CHECK(count > 0 && count <= 100'000, "batch makes lists of {} items", count);
  std::vector<Value> out, now;
  const auto close = [&] { out.push_back(make_list(std::exchange(now, {}), run.budget())); };
  for (Value& item : iterate(v, run.budget())) {
    if (std::ssize(now) == count) close();
    now.push_back(std::move(item));
  }
  if (now.empty()) return iterator(run, std::move(out));
  if (p.some(1)) now.resize(static_cast<size_t>(count), p[1]);
  close();
  return iterator(run, std::move(out));
}

Value slices(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("slice", a, {"slices", "fill_with"}, 1);
  const std::vector<Value> all = iterate(v, run.budget());
  const int64_t n = p.integer(0, 1), each = n > 0 ? std::ssize(all) / n : 0, longer = n > 0 ? std::ssize(all) % n : 0;
  LL_CHECK(n > 0 && n <= 100'000, "slice makes {} lists", n);
  std::vector<Value> out;
  auto at = all.begin();
  for (int64_t i = 0; i < n; ++i) {
    const auto end = at + each + (i < longer ? 1 : 0);
    std::vector<Value> part(at, end);
    if (p.some(1) && i >= longer) part.push_back(p[1]);
    out.push_back(make_list(std::move(part), run.budget()));
    at = end;
  }
  return iterator(run, std::move(out));
}

Value group_by(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("groupby", a, {"attribute", "default", "case_sensitive"}, 1);
  std::vector<Value> all = iterate(v, run.budget()), keys, pairs;
  const auto key_of = [&](const Value& item) {
    const Value found = follow(run, item, p[0]);
    return found.is_undefined() && p.some(1) ? p[1] : found;
  };
  const auto compared = [&](const Value& key) { return p.flag(2, false) ? key : without_case(key); };
  for (const Value& item : all) keys.push_back(compared(key_of(item)));
  all = sorted(run, std::move(all), keys, false);
  for (size_t i = 0; i < all.size();) {
    const Value shown = key_of(all[i]), key = compared(shown);
    std::vector<Value> group;
    for (; i < all.size() && equal(compared(key_of(all[i])), key, run.budget()); ++i) group.push_back(all[i]);
    pairs.push_back(tuple(run, {shown, make_list(std::move(group), run.budget())}));
  }
  return make_list(std::move(pairs), run.budget());
}

Value attribute(Interpreter& run, const Value& v, Arguments& a) {
  const Parameters p("attr", a, {"name"}, 1);
  // Of a dict its methods only, not its keys.
  if (v.dict() && !has_method(v, p.text(0).bytes)) return Value::undefined("a dict has no such attribute");
  return run.attribute(v, p.text(0).bytes);
}

}  // namespace

std::vector<Value> sorted(Interpreter& run, std::vector<Value> items, const std::vector<Value>& keys, bool reverse) {
  std::vector<size_t> places(items.size());
  for (size_t i = 0; i < places.size(); ++i) places[i] = i;
  std::stable_sort(places.begin(), places.end(), [&](size_t a, size_t b) {
    return order(keys[reverse ? b : a], keys[reverse ? a : b], run.budget()) < 0;
  });
  std::vector<Value> out;
  for (const size_t place : places) out.push_back(std::move(items[place]));
  return out;
}

Value follow(Interpreter& run, Value value, const Value& path) {
  if (path.is_none()) return value;
  if (!path.text()) return run.item(value, path);
  const Text dot = *make_text(".");
  for (const Text& step : split_text(*path.text(), &dot, -1, false)) {
    int64_t place = 0;
    const bool number = is_text(step, "isdigit") && is_text(step, "isascii");
    if (number) std::from_chars(step.bytes.data(), step.bytes.data() + step.bytes.size(), place);
    value = run.item(value, number ? Value(place) : Value(step));
  }
  return value;
}

const Filters& list_filters() {
  static const Filters filters = {{"length", length},
                                  {"count", length},
                                  {"first", first},
                                  {"last", last},
                                  {"list", list},
                                  {"reverse", reverse},
                                  {"join", join},
                                  {"items", items},
                                  {"dictsort", sort_dict},
                                  {"sort", sort},
                                  {"unique", unique},
                                  {"min", extreme<-1>},
                                  {"max", extreme<1>},
                                  {"sum", sum},
                                  {"map", map},
                                  {"select", choose<true, false>},
                                  {"reject", choose<false, false>},
                                  {"selectattr", choose<true, true>},
                                  {"rejectattr", choose<false, true>},
                                  {"batch", batch},
                                  {"slice", slices},
                                  {"groupby", group_by},
                                  {"attr", attribute}};
  return filters;
}

}  // namespace lowland::jinja
