// Values of a template, with Python's rules: what is true, equal, less, printed.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "models/chat/jinja/budget.h"
#include "models/chat/jinja/text.h"

namespace lowland::jinja {

class Interpreter;
class Value;
struct Stmt;

struct Undefined {
  std::shared_ptr<const std::string> why;  // what an error says of it
};
struct None {};

// A list, a tuple, a range, a dict's view, or an iterator, which is used up as it is read. Never changed once made,
// but for an iterator's place.
struct Sequence {
  enum class Kind : uint8_t { list, tuple, range, keys, values, items, iterator };
  Kind kind = Kind::list;
  std::vector<Value> items;
  size_t next = 0;  // of an iterator
  int depth = 1;    // lists within lists
  Sequence() = default;
  ~Sequence();
};

// In the order of insertion. Never changed once made.
struct Dict {
  std::vector<std::pair<Value, Value>> items;
  int depth = 1;
  Dict() = default;
  ~Dict();
  const Value* find(std::string_view key) const;
};

// {% set ns.x = ... %} changes it.
struct Namespace {
  std::vector<std::pair<std::string, Value>> names;
  ~Namespace();
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

struct Callable {
  std::string name;
  std::function<Value(Interpreter&, Arguments&)> call;
};

// `loop` within a for.
struct Loop {
  std::vector<Value> items, changed;
  int64_t index = 0, depth = 0;
  bool asked = false;                                      // changed() was called before
  std::function<Value(Interpreter&, Arguments&)> recurse;  // of a recursive loop
  ~Loop();
};

// Whether T is one of the types of a variant; asks nothing of them, which may be incomplete.
template <class T, class Variant> inline constexpr bool is_alternative = false;
template <class T, class... Types>
inline constexpr bool is_alternative<T, std::variant<Types...>> = (std::is_same_v<T, Types> || ...);

class Value {
 public:
  using Data = std::variant<Undefined, None, bool, int64_t, double, TextPtr, std::shared_ptr<Sequence>,
                            std::shared_ptr<const Dict>, std::shared_ptr<Namespace>, std::shared_ptr<const Callable>,
                            std::shared_ptr<Loop>>;
  Value() = default;  // undefined
  template <class T>
  requires is_alternative<T, Data>
  explicit Value(T x) : data_(std::in_place_type<T>, std::move(x)) {}
  explicit Value(Text text) : data_(std::make_shared<const Text>(std::move(text))) {}
  explicit Value(std::string text) : data_(make_text(std::move(text))) {}
  explicit Value(const char* text) : Value(std::string(text)) {}
  static Value undefined(std::string why) {
    return Value(Undefined{std::make_shared<const std::string>(std::move(why))});
  }

  template <class T> const T* get() const { return std::get_if<T>(&data_); }
  bool is_undefined() const { return get<Undefined>() != nullptr; }
  bool is_none() const { return get<None>() != nullptr; }
  const Text* text() const {
    const auto* p = get<TextPtr>();
    return p ? p->get() : nullptr;
  }
  Sequence* sequence() const {
    const auto* p = get<std::shared_ptr<Sequence>>();
    return p ? p->get() : nullptr;
  }
  const Dict* dict() const {
    const auto* p = get<std::shared_ptr<const Dict>>();
    return p ? p->get() : nullptr;
  }
  // A number that counts: an integer, or True and False, which are 1 and 0.
  bool to_integer(int64_t& out) const;
  bool to_number(double& out) const;

 private:
  Data data_;
};

// Error: lists within lists beyond the limit.
Value make_sequence(Sequence::Kind kind, std::vector<Value> items, Budget& budget);
// unique: no two keys are equal.
Value make_dict(std::vector<std::pair<Value, Value>> items, Budget& budget, bool unique = false);
inline Value make_list(std::vector<Value> items, Budget& budget) {
  return make_sequence(Sequence::Kind::list, std::move(items), budget);
}
Value make_callable(std::string name, std::function<Value(Interpreter&, Arguments&)> call);

const char* type_name(const Value& value);  // as Python calls it
bool truth(const Value& value);
bool equal(const Value& a, const Value& b, Budget& budget);
// -1, 0 or 1. Error: two that have no order.
int order(const Value& a, const Value& b, Budget& budget);
bool contains(const Value& container, const Value& item, Budget& budget);
// The items that a for loop runs over. Error: nothing to run over.
std::vector<Value> iterate(const Value& value, Budget& budget);
// Error: it has no length.
int64_t length_of(const Value& value);

// str() and repr() of Python; strings keep what is known of them.
Text to_text(const Value& value, Budget& budget);
std::string to_repr(const Value& value, Budget& budget);
std::string float_repr(double x);
// Whether any text in it came from outside.
bool touched(const Value& value, Budget& budget);

}  // namespace lowland::jinja
