// A template to tokens, as Jinja reads it with trim_blocks and lstrip_blocks: a tag alone on its line takes the line
// with it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace lowland::jinja {

struct Token {
  enum class Kind : uint8_t {
    data,
    print_begin,
    print_end,
    tag_begin,
    tag_end,
    name,
    string,
    integer,
    floating,
    op,
    end
  };
  Kind kind = Kind::end;
  std::string text;  // of a string: what it stands for, UTF-8
  int line = 1;
  bool is(Kind k, std::string_view t) const { return kind == k && text == t; }
};

// Ends with a token of kind end. Error, "line 3: ...": a tag that does not close, a character that has no business.
std::vector<Token> read_tokens(std::string_view source);

}  // namespace lowland::jinja
