#include "models/chat/jinja/value.h"

#include <algorithm>
#include <cmath>

#include "models/tokenizers/utf8.h"

namespace lowland::jinja {

Sequence::~Sequence() = default;
Dict::~Dict() = default;
Namespace::~Namespace() = default;
Loop::~Loop() = default;

const Value* Dict::find(std::string_view key) const {
  for (const auto& [k, v] : items) {
    const Text* text = k.text();
    if (text && text->bytes == key) return &v;
  }
  return nullptr;
}

bool Value::to_integer(int64_t& out) const {
  if (const auto* i = get<int64_t>()) {
    out = *i;
    return true;
  }
  const auto* b = get<bool>();
  if (b) out = *b ? 1 : 0;
  return b != nullptr;
}

bool Value::to_number(double& out) const {
  int64_t i = 0;
  if (const auto* d = get<double>()) {
    out = *d;
    return true;
  }
  if (!to_integer(i)) return false;
  out = static_cast<double>(i);
  return true;
}

namespace {

int depth_of(const Value& v) {
  if (const Sequence* s = v.sequence()) return s->depth;
  if (const Dict* d = v.dict()) return d->depth;
  return 0;
}

void check_depth(int depth) {
  LL_CHECK(depth <= Limits::nesting, "lists stand more than {} levels within one another", Limits::nesting);
}

bool is_order_kind(Sequence::Kind kind) { return kind == Sequence::Kind::list || kind == Sequence::Kind::tuple; }

int compare_numbers(double a, double b) { return a < b ? -1 : a > b ? 1 : 0; }

}  // namespace

Value make_sequence(Sequence::Kind kind, std::vector<Value> items, Budget& budget) {
  auto out = std::make_shared<Sequence>();
  budget.bytes(sizeof(Sequence) + items.size() * sizeof(Value));
  out->kind = kind;
  for (const Value& v : items) out->depth = std::max(out->depth, depth_of(v) + 1);
  check_depth(out->depth);
  out->items = std::move(items);
  return Value(std::move(out));
}

// The last of two equal keys wins, in the place of the first.
Value make_dict(std::vector<std::pair<Value, Value>> items, Budget& budget, bool unique) {
  auto out = std::make_shared<Dict>();
  for (auto& [key, value] : items) {
    LL_CHECK(!key.dict() && !(key.sequence() && key.sequence()->kind == Sequence::Kind::list), "a {} cannot be a key",
             type_name(key));
    budget.bytes(2 * sizeof(Value));
    out->depth = std::max({out->depth, depth_of(key) + 1, depth_of(value) + 1});
    const auto same = std::find_if(unique ? out->items.end() : out->items.begin(), out->items.end(),
                                   [&, &key = key](const auto& item) { return equal(item.first, key, budget); });
    if (same == out->items.end())
      out->items.emplace_back(std::move(key), std::move(value));
    else
      same->second = std::move(value);
  }
  check_depth(out->depth);
  return Value(std::shared_ptr<const Dict>(std::move(out)));
}

Value make_callable(std::string name, std::function<Value(Interpreter&, Arguments&)> call) {
  return Value(std::make_shared<const Callable>(Callable{std::move(name), std::move(call)}));
}

const char* type_name(const Value& v) {
  if (v.is_undefined()) return "undefined";
  if (v.is_none()) return "NoneType";
  if (v.get<bool>()) return "bool";
  if (v.get<int64_t>()) return "int";
  if (v.get<double>()) return "float";
  if (v.text()) return "str";
  if (v.dict()) return "dict";
  if (const Sequence* s = v.sequence()) {
    constexpr const char* kNames[] = {"list", "tuple", "range", "dict_keys", "dict_values", "dict_items", "generator"};
    return kNames[static_cast<int>(s->kind)];
  }
  if (v.get<std::shared_ptr<Namespace>>()) return "namespace";
  return v.get<std::shared_ptr<Loop>>() ? "loop" : "function";
}

bool truth(const Value& v) {
  if (v.is_undefined() || v.is_none()) return false;
  if (const auto* b = v.get<bool>()) return *b;
  if (const auto* i = v.get<int64_t>()) return *i != 0;
  if (const auto* d = v.get<double>()) return *d != 0;
  if (const Text* t = v.text()) return !t->bytes.empty();
  if (const Dict* d = v.dict()) return !d->items.empty();
  const Sequence* s = v.sequence();
  return !s || s->kind == Sequence::Kind::iterator || !s->items.empty();
}

bool equal(const Value& a, const Value& b, Budget& budget) {
  budget.steps();
  double x = 0, y = 0;
  int64_t i = 0, j = 0;
  if (a.to_integer(i) && b.to_integer(j)) return i == j;
  if (a.to_number(x) && b.to_number(y)) return x == y;
  if (a.text() && b.text()) return a.text()->bytes == b.text()->bytes;
  if (a.is_undefined() || b.is_undefined()) return a.is_undefined() && b.is_undefined();
  if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
  if (const Sequence* s = a.sequence(), *t = b.sequence(); s && t) {
    if (s == t) return true;
    if (s->kind != t->kind || s->kind == Sequence::Kind::iterator || s->items.size() != t->items.size()) return false;
    for (size_t n = 0; n < s->items.size(); ++n)
      if (!equal(s->items[n], t->items[n], budget)) return false;
    return true;
  }
  if (const Dict* d = a.dict(), *e = b.dict(); d && e) {
    if (d->items.size() != e->items.size()) return false;
    for (const auto& [key, value] : d->items) {
      const auto same = std::find_if(e->items.begin(), e->items.end(),
                                     [&, &key = key](const auto& item) { return equal(item.first, key, budget); });
      if (same == e->items.end() || !equal(value, same->second, budget)) return false;
    }
    return true;
  }
  const auto *n = a.get<std::shared_ptr<Namespace>>(), *m = b.get<std::shared_ptr<Namespace>>();
  const auto *f = a.get<std::shared_ptr<const Callable>>(), *g = b.get<std::shared_ptr<const Callable>>();
  return (n && m && *n == *m) || (f && g && *f == *g);
}

int order(const Value& a, const Value& b, Budget& budget) {
  budget.steps();
  double x = 0, y = 0;
  int64_t i = 0, j = 0;
  if (a.to_integer(i) && b.to_integer(j)) return i < j ? -1 : i > j ? 1 : 0;
  if (a.to_number(x) && b.to_number(y)) return compare_numbers(x, y);
  if (a.text() && b.text()) {
    const int c = a.text()->bytes.compare(b.text()->bytes);  // of UTF-8, which orders as its characters do
    return c < 0 ? -1 : c > 0 ? 1 : 0;
  }
  const Sequence *s = a.sequence(), *t = b.sequence();
  LL_CHECK(s && t && s->kind == t->kind && is_order_kind(s->kind), "a {} and a {} have no order", type_name(a),
           type_name(b));
  for (size_t n = 0; n < std::min(s->items.size(), t->items.size()); ++n)
    if (!equal(s->items[n], t->items[n], budget)) return order(s->items[n], t->items[n], budget);
  return s->items.size() < t->items.size() ? -1 : s->items.size() > t->items.size() ? 1 : 0;
}

bool contains(const Value& container, const Value& item, Budget& budget) {
  if (const Text* whole = container.text()) {
    LL_CHECK(item.text(), "a {} is asked for in a text", type_name(item));
    budget.steps(1 + static_cast<int64_t>(whole->bytes.size() / 256));
    return whole->bytes.find(item.text()->bytes) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) {
    const auto same = [&](const auto& entry) { return equal(entry.first, item, budget); };
    return std::any_of(dict->items.begin(), dict->items.end(), same);
  }
  for (const Value& v : iterate(container, budget))
    if (equal(v, item, budget)) return true;
  return false;
}

std::vector<Value> iterate(const Value& value, Budget& budget) {
  std::vector<Value> out;
  if (Sequence* s = value.sequence()) {
    budget.bytes(s->items.size() * sizeof(Value));
    out.assign(s->items.begin() + static_cast<std::ptrdiff_t>(s->next), s->items.end());
    if (s->kind == Sequence::Kind::iterator) s->next = s->items.size();
  } else if (const Dict* dict = value.dict()) {
    budget.bytes(dict->items.size() * sizeof(Value));
    for (const auto& item : dict->items) out.push_back(item.first);
  } else if (const Text* text = value.text()) {
    budget.bytes(text->bytes.size() * (sizeof(Value) + sizeof(Text)));
    for (size_t at = 0; at < text->bytes.size();) {
      const size_t end = at + byte_of(std::string_view(text->bytes).substr(at), 1);
      out.emplace_back(part(*text, at, end));
      at = end;
    }
  } else {
    LL_CHECK(value.is_undefined(), "a {} has no items to go through", type_name(value));
  }
  return out;
}

int64_t length_of(const Value& value) {
  if (value.is_undefined()) return 0;
  if (const Text* t = value.text()) return count_characters(t->bytes);
  if (const Dict* d = value.dict()) return std::ssize(d->items);
  const Sequence* s = value.sequence();
  if (const auto* loop = value.get<std::shared_ptr<Loop>>()) return std::ssize((*loop)->items);
  LL_CHECK(s && s->kind != Sequence::Kind::iterator, "a {} has no length", type_name(value));
  return std::ssize(s->items);
}

bool touched(const Value& value, Budget& budget) {
  budget.steps();
  if (const Text* t = value.text()) return touched(*t);
  if (const Sequence* s = value.sequence())
    return std::any_of(s->items.begin(), s->items.end(), [&](const Value& v) { return touched(v, budget); });
  if (const Dict* d = value.dict())
    return std::any_of(d->items.begin(), d->items.end(),
                       [&](const auto& item) { return touched(item.first, budget) || touched(item.second, budget); });
  return false;
}

}  // namespace lowland::jinja
