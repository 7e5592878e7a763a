// What a text goes through before it is cut into words: Unicode's composed form, a mark for spaces, a prefix.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lowland {

// A changed text that knows where its bytes come from.
struct MappedText {
  std::string text;
  // source_end[j]: how many bytes of the source text[0..j] stands for. Kept up only where it is asked for.
  std::vector<uint32_t> source_end;
};

class Normalizer {
 public:
  // The components of tokenizer.json of these names. Replace is of one text by another, no expression.
  enum class Kind { kNfc, kPrepend, kReplace };
  struct Step {
    Kind kind;
    std::string from, to;  // kPrepend: to
  };

  Normalizer() = default;
  // Error if a Replace replaces nothing.
  explicit Normalizer(std::vector<Step> steps);
  bool empty() const { return steps_.empty(); }
  // Runs the steps on out.text; mapped: out.source_end is kept up. An empty text stays empty.
  // REQUIRES valid UTF-8; where mapped, source_end of the size of the text.
  void run(MappedText& out, bool mapped) const;
  std::string normalized(std::string_view text) const;

 private:
  std::vector<Step> steps_;
};

// One step each.
void prepend(MappedText& out, std::string_view prefix, bool mapped);
void replace(MappedText& out, std::string_view from, std::string_view to, bool mapped);
// Normalization form C (Unicode 15, annex 15) of the Unicode version that the tokenizers package has: it
// leaves characters that are newer alone.
void compose(MappedText& out, bool mapped);

// The identity: source_end of a text of n bytes.
void start_map(std::vector<uint32_t>& source_end, size_t n);

}  // namespace lowland
