// An expression of a Split, and a text that it cuts; a byte 0 stands between them.
#include "models/tokenizers/split_expression.h"
#include "models/tokenizers/utf8.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

LL_FUZZ_TARGET(expression) {
  const std::string_view both = as_text(data, size);
  const size_t cut = std::min(both.find('\0'), both.size());
  const std::string text(both.substr(std::min(cut + 1, both.size())));
  attempt([&] {
    const SplitExpression expression(std::string(both.substr(0, cut)), "expression");
    for (const std::string& words :
         {std::string("It's 12345 caf\xc3\xa9\n\n  x"), utf8_valid(text) ? text : std::string()}) {
      SplitExpression::Scratch scratch;
      ExpressionCursor cursor(expression, words, scratch);
      const char* end = words.data();
      for (const char* at = cursor.next(); at != nullptr; at = cursor.next()) {
        if (at < end || at > words.data() + words.size()) __builtin_trap();
        end = at;
      }
    }
  });
  return 0;
}
