// Names that are typed by habit: those of transformers, TRL, peft and the scripts around them that are no flags here.
// What a name means here is what it is read as; where it means nothing, one sentence says what stands for it. Both are
// one table, which docs/from_peft.md repeats for readers.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace lowland::apps {

struct Habit {
  enum class Kind : uint8_t {
    read_as,  // text: flags of ours, * is the value
    anyway,   // it is so whatever is said. text: how, or nothing where there is nothing to tell
    refused,  // text: what stands for it
  };
  std::string_view name;   // without the dashes
  std::string_view value;  // a word in small letters; true: also bare; *: any; +: one or more, joined by commas
  Kind kind;
  std::string_view text;
};

// Of the rows of a name the first one whose value fits counts.
std::span<const Habit> habits();

// Puts flags of the verb where the arguments hold habits, and leaves everything else as it is: also `--flag True` for
// a flag without a value, and `--epochs 3.0`. The result are notes to be shown, a line each.
// Error: a habit that is refused, that stands for a flag the verb does not have, or beside the flag that it stands for.
std::vector<std::string> take_habits(std::vector<std::string>& args, const CLI::App& verb);

}  // namespace lowland::apps
