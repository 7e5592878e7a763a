// What a text goes through before it is cut into words.
#pragma once
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizers/mapped_text.h"

namespace lowland {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  // Changes out.text; mapped: out.source_end is kept up. REQUIRES valid UTF-8; where mapped, source_end of the size of
  // the text. Threads may share a normalizer.
  virtual void run(MappedText& out, bool mapped) const = 0;
  std::string normalized(std::string_view text) const;
};
using NormalizerPtr = std::unique_ptr<Normalizer>;

// The `normalizer` of a tokenizer.json; null for none. Error, one sentence naming source, for a kind that is not known.
NormalizerPtr make_normalizer(const nlohmann::json& component, const std::string& source);

// One kind each, by the names of tokenizer.json.
NormalizerPtr sequence_normalizer(std::vector<NormalizerPtr> steps);
NormalizerPtr prepend_normalizer(std::string prefix);
NormalizerPtr replace_normalizer(std::string from, std::string to);  // one text by another
// No space at the ends, and no two beside each other: sentencepiece's remove_extra_whitespaces.
NormalizerPtr extra_spaces_normalizer();
// form: NFC, NFD, NFKC or NFKD, of the Unicode version that the tokenizers package has (9.0): characters that are newer
// are left alone.
NormalizerPtr unicode_form_normalizer(const std::string& form);
// A character map of sentencepiece (precompiled.cpp). Error naming source if the bytes are not one.
NormalizerPtr precompiled_normalizer(std::string_view map, const std::string& source);
NormalizerPtr bert_normalizer(bool clean, bool chinese, bool strip_accents, bool lowercase);

// Steps that others use as well.
void lowercase(MappedText& out, bool mapped);
void decompose(MappedText& out, bool mapped);  // NFD
// Leaves out the characters that have a bit of a class (unicode_classes.h).
void leave_out(MappedText& out, unsigned classes, bool mapped);

}  // namespace lowland
