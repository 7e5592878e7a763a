#include "models/tokenizers/added_tokens.h"

#include <algorithm>

#include "models/tokenizers/unicode_classes.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

bool first_is(std::string_view text, UnicodeClass wanted) {
  return !text.empty() &&
         (unicode_classes()[utf8_next(text.data(), text.data() + text.size()).code] & wanted);
}

// Start of the last character of text, which is not empty.
size_t last_character(std::string_view text) {
  size_t i = text.size() - 1;
  while (i > 0 && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) --i;
  return i;
}

size_t blanks_at_start(std::string_view text) {
  size_t n = 0;
  while (first_is(text.substr(n), kS))
    n += static_cast<size_t>(utf8_next(text.data() + n, text.data() + text.size()).length);
  return n;
}

size_t without_blanks_at_end(std::string_view text) {
  while (!text.empty() && first_is(text.substr(last_character(text)), kS))
    text = text.substr(0, last_character(text));
  return text.size();
}

bool stands_alone(std::string_view text, size_t start, size_t stop) {
  const std::string_view before = text.substr(0, start);
  return (before.empty() || !first_is(before.substr(last_character(before)), kW)) &&
         !first_is(text.substr(stop), kW);
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const AddedToken& token = tokens_[i];
    if (token.content.empty()) continue;
    Pass& pass = token.normalized ? normalized_ : plain_;
    pass.by_first_byte[static_cast<unsigned char>(token.content[0])].push_back(i);
    pass.any = true;
    pass.any_not_special |= !token.special;
  }
  for (Pass* pass : {&plain_, &normalized_}) {
    for (auto& list : pass->by_first_byte) {
      std::stable_sort(list.begin(), list.end(), [this](size_t a, size_t b) {
        return tokens_[a].content.size() > tokens_[b].content.size();
      });
    }
  }
}

bool AddedTokens::is_special(int32_t id) const {
  return std::any_of(tokens_.begin(), tokens_.end(),
                     [id](const auto& token) { return token.id == id && token.special; });
}

const AddedToken* AddedTokens::match(const Pass& pass, std::string_view rest) const {
  for (const size_t i : pass.by_first_byte[static_cast<unsigned char>(rest[0])]) {
    if (rest.starts_with(tokens_[i].content)) return &tokens_[i];
  }
  return nullptr;
}

// Follows find_matches of the tokenizers library: matches do not overlap, and one that is passed over
// (special, or not a word of its own) still uses up its text.
void AddedTokens::split_pass(const Pass& pass, std::string_view text, bool parse_special,
                             std::vector<Part>& parts) const {
  if (text.empty()) return;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = match(pass, text.substr(at));
    if (!token) {
      ++at;
      continue;
    }
    size_t start = at, stop = at + token->content.size();
    at = stop;
    if (token->special && !parse_special) continue;
    if (token->single_word && !stands_alone(text, start, stop)) continue;
    if (token->lstrip) start = std::max(done, without_blanks_at_end(text.substr(0, start)));
    if (token->rstrip) stop += blanks_at_start(text.substr(stop));
    if (done < start) parts.push_back({-1, text.substr(done, start - done)});
    parts.push_back({token->id, text.substr(start, stop - start)});
    done = stop;
  }
  if (done < text.size()) parts.push_back({-1, text.substr(done)});
}

void AddedTokens::split(std::string_view text, bool parse_special, std::vector<Part>& parts) const {
  parts.clear();
  const auto runs = [parse_special](const Pass& pass) {
    return parse_special ? pass.any : pass.any_not_special;
  };
  if (!runs(plain_) && !runs(normalized_)) {
    if (!text.empty()) parts.push_back({-1, text});
    return;
  }
  std::vector<Part> first;
  split_pass(plain_, text, parse_special, first);
  for (const Part& part : first) {
    if (part.id >= 0) parts.push_back(part);
    else split_pass(normalized_, part.text, parse_special, parts);
  }
}

}  // namespace lowland
