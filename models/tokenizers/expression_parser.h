// Expressions of tokenizer.json, which Oniguruma runs, read for another library to run.
#pragma once
#include <string>
#include <vector>

#include "models/tokenizers/code_set.h"

namespace lowland {

// An expression as a row of items: operators, which PCRE2 reads as Oniguruma does, and sets of characters. A single
// character is a set, too.
struct ParsedExpression {
  struct Item {
    std::string op;  // empty: a character of sets[set]
    size_t set = 0;
  };
  std::vector<Item> items;
  std::vector<CodeSet> sets;
};

// Known: characters, sets with ranges, other sets and && in them, \s \d \w \h \R \b and opposites, \p of categories
// and of some scripts, ^ $ and the dot, groups, choices, look-around, (?i) and (?i:, quantifiers, possessive ones too.
// Error, one sentence naming source and the part, where there is anything else, or a part that the two libraries may
// read differently.
ParsedExpression parse_expression(const std::string& expression, const std::string& source);

}  // namespace lowland
