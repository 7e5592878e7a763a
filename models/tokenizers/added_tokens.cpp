#include "models/tokenizers/added_tokens.h"

#include <algorithm>

#include "models/tokenizers/normalizers/normalizer.h"
#include "models/tokenizers/unicode_classes.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

bool first_is(std::string_view text, UnicodeClass wanted) {
  return !text.empty() && (unicode_classes()[utf8_next(text.data(), text.data() + text.size()).code] & wanted);
}

// Start of the last character of text, which is not empty.
size_t last_character(std::string_view text) {
  size_t i = text.size() - 1;
  while (i > 0 && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) --i;
  return i;
}

size_t blanks_at_start(std::string_view text) {
  size_t n = 0;
  while (first_is(text.substr(n), kS)) n += utf8_next(text.data() + n, text.data() + text.size()).length;
  return n;
}

size_t without_blanks_at_end(std::string_view text) {
  while (!text.empty() && first_is(text.substr(last_character(text)), kS)) text = text.substr(0, last_character(text));
  return text.size();
}

bool stands_alone(std::string_view text, size_t start, size_t stop) {
  const std::string_view before = text.substr(0, start);
  return (before.empty() || !first_is(before.substr(last_character(before)), kW)) && !first_is(text.substr(stop), kW);
}

bool overlaps(std::span<const TextRange> ranges, size_t start, size_t stop) {
  const auto first = std::partition_point(ranges.begin(), ranges.end(),
                                          [start](const TextRange& range) { return range.end <= start; });
  return first != ranges.end() && first->begin < stop;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const Normalizer* normalizer) : tokens_(std::move(tokens)) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const AddedToken& token = tokens_[i];
    if (token.content.empty()) continue;
    Table& table = token.normalized ? normalized_ : plain_;
    const bool changes = token.normalized && normalizer;
    const std::string content = changes ? normalizer->normalized(token.content) : token.content;
    if (content.empty()) continue;
    table.by_first_byte[static_cast<unsigned char>(content[0])].push_back({content, i});
    table.any = true;
    table.any_not_special |= !token.special;
  }
  for (Table* table : {&plain_, &normalized_}) {
    for (auto& list : table->by_first_byte) {
      std::stable_sort(list.begin(), list.end(),
                       [](const Found& a, const Found& b) { return a.content.size() > b.content.size(); });
    }
  }
}

const AddedTokens::Found* AddedTokens::match(const Table& table, std::string_view rest) const {
  for (const Found& found : table.by_first_byte[static_cast<unsigned char>(rest[0])]) {
    if (rest.starts_with(found.content)) return &found;
  }
  return nullptr;
}

// Follows find_matches of the tokenizers library: matches do not overlap, and one that is passed over
// (special, or not a word of its own) still uses up its text; one that touches verbatim text does not.
void AddedTokens::split(Pass pass, std::string_view text, bool parse_special, std::span<const TextRange> verbatim,
                        std::vector<Part>& parts) const {
  if (text.empty()) return;
  const Table& table = pass == Pass::kPlain ? plain_ : normalized_;
  size_t done = 0;
  const bool runs = parse_special ? table.any : table.any_not_special;
  for (size_t at = 0; runs && at < text.size();) {
    const Found* found = match(table, text.substr(at));
    if (!found) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[found->token];
    size_t start = at, stop = at + found->content.size();
    if (token.special && parse_special && overlaps(verbatim, start, stop)) {
      ++at;
      continue;
    }
    at = stop;
    if (token.special && !parse_special) continue;
    if (token.single_word && !stands_alone(text, start, stop)) continue;
    if (token.lstrip) start = std::max(done, without_blanks_at_end(text.substr(0, start)));
    if (token.rstrip) stop += blanks_at_start(text.substr(stop));
    if (done < start) parts.push_back({-1, text.substr(done, start - done)});
    parts.push_back({token.id, text.substr(start, stop - start)});
    done = stop;
  }
  if (done < text.size()) parts.push_back({-1, text.substr(done)});
}

}  // namespace lowland
