#include "engine/io/pickle.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "engine/error.h"
#include "engine/io/printable.h"

namespace lowland {
namespace {

constexpr size_t kMostValues = 1'000'000;

struct Opcode {
  unsigned char code;
  const char* name;
};
// Those that are known and not taken.
constexpr std::array<Opcode, 18> kRefused{{{'P', "PERSID"},
                                           {'i', "INST"},
                                           {'o', "OBJ"},
                                           {'S', "STRING"},
                                           {'V', "UNICODE"},
                                           {'F', "FLOAT"},
                                           {'p', "PUT"},
                                           {'g', "GET"},
                                           {'0', "POP"},
                                           {'1', "POP_MARK"},
                                           {'2', "DUP"},
                                           {0x82, "EXT1"},
                                           {0x83, "EXT2"},
                                           {0x84, "EXT4"},
                                           {0x92, "NEWOBJ_EX"},
                                           {0x96, "BYTEARRAY8"},
                                           {0x97, "NEXT_BUFFER"},
                                           {0x98, "READONLY_BUFFER"}}};

}  // namespace

class Pickle::Machine {
 public:
  Machine(Pickle& pickle, const std::string& path, std::string_view bytes, const Globals& globals)
      : pickle_(pickle), path_(path), bytes_(bytes), globals_(globals) {}

  void run() {
    for (;;) {
      const auto op = static_cast<unsigned char>(take(1)[0]);
      if (op == '.') break;
      if (!scalar(op) && !container(op) && !memory(op) && !object(op)) refuse_opcode(op);
    }
    pickle_.root_ = pop();
    pickle_.size_ = at_;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const { fail("{} cannot be read: its pickle {}", path_, why); }

  [[noreturn]] void refuse_opcode(unsigned char op) const {
    const auto known = std::find_if(kRefused.begin(), kRefused.end(), [&](const Opcode& o) { return o.code == op; });
    if (known != kRefused.end()) refuse(fmt::format("uses the opcode {}, which files of tensors do not", known->name));
    refuse(fmt::format("has the byte 0x{:02x} where an opcode should be: is the file damaged?", op));
  }

  // --- bytes
  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) refuse("ends too early: is the file cut off?");
    const std::string_view taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }
  template <class T> T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);  // x86: little-endian, as in the file
    return value;
  }
  std::string_view line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) refuse("ends too early: is the file cut off?");
    const std::string_view text = take(end - at_);
    ++at_;
    return text;
  }

  // --- the stack
  Value& push(Kind kind) {
    if (pickle_.values_.size() >= kMostValues) refuse(fmt::format("has more than {} values", kMostValues));
    stack_.push_back(static_cast<Ref>(pickle_.values_.size()));
    return pickle_.values_.emplace_back(Value{.kind = kind});
  }
  void push_integer(int64_t value) { push(Kind::integer).integer = value; }
  void push_text(Kind kind, uint64_t bytes) {
    const std::string_view text = take(bytes);
    push(kind).text = text;
  }
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Ref pop() {
    if (stack_.size() <= floor()) refuse("takes from an empty stack: is the file damaged?");
    const Ref top = stack_.back();
    stack_.pop_back();
    return top;
  }
  Value& top() {
    if (stack_.size() <= floor()) refuse("takes from an empty stack: is the file damaged?");
    return pickle_.values_[stack_.back()];
  }
  std::vector<Ref> pop_to_mark() {
    if (marks_.empty()) refuse("takes up to a mark that is not there: is the file damaged?");
    std::vector<Ref> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  std::vector<Ref> pop_items(size_t count) {
    std::vector<Ref> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }
  void extend(std::initializer_list<Kind> kinds, const std::vector<Ref>& items) {
    Value& to = top();
    if (std::find(kinds.begin(), kinds.end(), to.kind) == kinds.end()) refuse("adds items to what holds none");
    if (*kinds.begin() == Kind::dict && items.size() % 2 != 0) refuse("gives a key without a value");
    to.items.insert(to.items.end(), items.begin(), items.end());
  }
  void set_items(const std::vector<Ref>& items) { extend({Kind::dict, Kind::call}, items); }

  // --- opcodes, by what they make; false for one of another group
  bool scalar(unsigned char op) {
    switch (op) {
      case 'N': push(Kind::none); return true;
      case 0x88: push(Kind::boolean).integer = 1; return true;
      case 0x89: push(Kind::boolean); return true;
      case 'I': decimal(line()); return true;
      case 'L': decimal(line()); return true;
      case 'J': push_integer(number<int32_t>()); return true;
      case 'K': push_integer(number<uint8_t>()); return true;
      case 'M': push_integer(number<uint16_t>()); return true;
      case 0x8a: binary(take(number<uint8_t>())); return true;
      case 0x8b: binary(take(number<uint32_t>())); return true;
      case 'G':
        take(8);
        push(Kind::real);
        return true;
      case 'X': push_text(Kind::text, number<uint32_t>()); return true;
      case 0x8c: push_text(Kind::text, number<uint8_t>()); return true;
      case 0x8d: push_text(Kind::text, number<uint64_t>()); return true;
      case 'T': push_text(Kind::text, number<uint32_t>()); return true;
      case 'U': push_text(Kind::text, number<uint8_t>()); return true;
      case 'B': push_text(Kind::bytes, number<uint32_t>()); return true;
      case 'C': push_text(Kind::bytes, number<uint8_t>()); return true;
      case 0x8e: push_text(Kind::bytes, number<uint64_t>()); return true;
      default: return false;
    }
  }

  // "12", "12L", and the booleans of protocol 1, "00" and "01".
  void decimal(std::string_view digits) {
    if (digits == "00" || digits == "01") {
      push(Kind::boolean).integer = digits == "01" ? 1 : 0;
      return;
    }
    if (digits.ends_with('L')) digits.remove_suffix(1);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) {
      refuse(fmt::format("has the whole number `{}`, which cannot be read", printable(digits)));
    }
    push_integer(value);
  }
  void binary(std::string_view digits) {  // two's complement
    Value& value = push(Kind::integer);
    if (digits.size() > 8) {
      value.text = digits;
      return;
    }
    uint64_t bits = !digits.empty() && (digits.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
    for (size_t i = digits.size(); i-- > 0;) bits = bits << 8 | static_cast<unsigned char>(digits[i]);
    value.integer = static_cast<int64_t>(bits);
  }
  bool container(unsigned char op) {
    switch (op) {
      case '(': marks_.push_back(stack_.size()); return true;
      case ']': push(Kind::list); return true;
      case ')': push(Kind::tuple); return true;
      case '}': push(Kind::dict); return true;
      case 't': gather(Kind::tuple, pop_to_mark()); return true;
      case 'l': gather(Kind::list, pop_to_mark()); return true;
      case 'd': {
        std::vector<Ref> items = pop_to_mark();
        push(Kind::dict);
        set_items(items);
        return true;
      }
      case 0x85: gather(Kind::tuple, pop_items(1)); return true;
      case 0x86: gather(Kind::tuple, pop_items(2)); return true;
      case 0x87: gather(Kind::tuple, pop_items(3)); return true;
      case 'a': extend({Kind::list}, pop_items(1)); return true;
      case 'e': extend({Kind::list}, pop_to_mark()); return true;
      case 's': set_items(pop_items(2)); return true;
      case 'u': set_items(pop_to_mark()); return true;
      default: return false;
    }
  }
  void gather(Kind kind, std::vector<Ref> items) { push(kind).items = std::move(items); }

  bool memory(unsigned char op) {
    switch (op) {
      case 0x80:
        if (const int version = number<uint8_t>(); version > 5) refuse(fmt::format("has the protocol {}", version));
        return true;
      case 0x95:  // FRAME: so many bytes belong together
        if (number<uint64_t>() > bytes_.size() - at_) refuse("ends too early: is the file cut off?");
        return true;
      case 'q': store(number<uint8_t>()); return true;
      case 'r': store(number<uint32_t>()); return true;
      case 0x94: store(memo_.size()); return true;
      case 'h': load(number<uint8_t>()); return true;
      case 'j': load(number<uint32_t>()); return true;
      default: return false;
    }
  }
  void store(size_t index) {
    top();
    if (index >= kMostValues) refuse(fmt::format("remembers a value as number {}", index));
    if (index >= memo_.size()) memo_.resize(index + 1, kAbsent);
    memo_[index] = stack_.back();
  }
  void load(size_t index) {
    if (index >= memo_.size() || memo_[index] == kAbsent) {
      refuse(fmt::format("asks for the value number {}, which it did not remember", index));
    }
    stack_.push_back(memo_[index]);
  }

  bool object(unsigned char op) {
    switch (op) {
      case 'c': {
        const std::string_view module = line();
        name(module, line());
        return true;
      }
      case 0x93: {
        const Ref text = pop(), module = pop();
        if (at(text).kind != Kind::text || at(module).kind != Kind::text) refuse("names a global by what is no name");
        name(at(module).text, at(text).text);
        return true;
      }
      case 'R':
      case 0x81: call(); return true;
      case 'Q': {
        const Ref id = pop();
        push(Kind::persistent).arguments = id;
        return true;
      }
      case 'b':  // the attributes of a dict, as state dicts have them: names of versions
        pop();
        if (top().kind != Kind::dict && top().kind != Kind::call) refuse("gives attributes to what has none");
        return true;
      default: return false;
    }
  }
  const Value& at(Ref ref) const { return pickle_.values_[ref]; }
  void name(std::string_view module, std::string_view text) {
    const int number = globals_(module, text);
    if (number < 0) {
      refuse(fmt::format("names `{}.{}`, which is not among what files of tensors need; nothing of it was run",
                         printable(module), printable(text)));
    }
    push(Kind::global).integer = number;
  }
  void call() {
    const Ref arguments = pop(), callee = pop();
    if (at(callee).kind != Kind::global || at(arguments).kind != Kind::tuple) refuse("calls what is no global");
    const int64_t number = at(callee).integer;
    Value& made = push(Kind::call);
    made.integer = number;
    made.arguments = arguments;
  }

  static constexpr Ref kAbsent = ~Ref{0};
  Pickle& pickle_;
  const std::string& path_;
  std::string_view bytes_;
  const Globals& globals_;
  size_t at_ = 0;
  std::vector<Ref> stack_, memo_;
  std::vector<size_t> marks_;
};

Pickle::Pickle(const std::string& path, std::string_view bytes, const Globals& globals) {
  Machine(*this, path, bytes, globals).run();
}

}  // namespace lowland
