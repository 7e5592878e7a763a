#define PCRE2_CODE_UNIT_WIDTH 8
#include "models/tokenizers/split_expression.h"

#include <pcre2.h>

#include <algorithm>
#include <array>
#include <map>

#include "engine/error.h"
#include "models/tokenizers/expression_parser.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
// Which byte stands for a character.
class ShapeTable {
 public:
  ShapeTable(const ParsedExpression& parsed, const std::string& text, const std::string& source);
  // The members of a set, as the inside of PCRE2's brackets; all bytes, or none, are spelt so, too.
  std::string set_of(size_t set) const;
  void append(std::string_view text, std::string& out) const;

 private:
  using Page = std::array<uint8_t, 256>;
  std::array<uint16_t, 0x1100> page_of_{};
  std::vector<Page> pages_;
  std::vector<std::array<bool, 256>> members_;  // by set and byte
};

ShapeTable::ShapeTable(const ParsedExpression& parsed, const std::string& text, const std::string& source)
    : members_(parsed.sets.size()) {
  std::vector<char32_t> starts = {0x80};
  for (size_t s = 0; s < parsed.sets.size(); ++s) {
    for (const auto& range : parsed.sets[s].ranges()) {
      for (char32_t c = range.first; c <= std::min<char32_t>(range.last, 0x7F); ++c) members_[s][c] = true;
      if (range.first > 0x80) starts.push_back(range.first);
      if (range.last >= 0x80 && range.last < CodeSet::kLast) starts.push_back(range.last + 1);
    }
  }
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  std::vector<uint8_t> kinds(CodeSet::kLast + 1);
  for (char32_t c = 0; c < 0x80; ++c) kinds[c] = static_cast<uint8_t>(c);
  std::map<std::vector<bool>, uint8_t> known;
  for (size_t i = 0; i < starts.size(); ++i) {
    std::vector<bool> in(parsed.sets.size());
    for (size_t s = 0; s < in.size(); ++s) in[s] = parsed.sets[s].contains(starts[i]);
    LL_CHECK(known.size() < 128 || known.contains(in),
             "{}: the expression '{}' tells too many kinds of characters apart", source, text);
    const auto kind = known.try_emplace(in, static_cast<uint8_t>(0x80 + known.size())).first->second;
    for (size_t s = 0; s < in.size(); ++s) members_[s][kind] = in[s];
    const char32_t stop = i + 1 < starts.size() ? starts[i + 1] : CodeSet::kLast + 1;
    std::fill(kinds.begin() + starts[i], kinds.begin() + stop, kind);
  }
  std::map<Page, uint16_t> pages;
  for (size_t i = 0; i < page_of_.size(); ++i) {
    Page page;
    std::copy_n(kinds.begin() + i * 256, 256, page.begin());
    const auto [it, fresh] = pages.try_emplace(page, static_cast<uint16_t>(pages_.size()));
    if (fresh) pages_.push_back(page);
    page_of_[i] = it->second;
  }
}

std::string ShapeTable::set_of(size_t set) const {
  std::string out = "[";
  const auto& in = members_[set];
  for (size_t b = 0; b < 256; ++b) {
    if (!in[b]) continue;
    size_t last = b;
    while (last + 1 < 256 && in[last + 1]) ++last;
    out += fmt::format("\\x{:02x}-\\x{:02x}", b, last);
    b = last;
  }
  return out == "[" ? "(?!)" : out + "]";
}

void ShapeTable::append(std::string_view text, std::string& out) const {
  for (const char *p = text.data(), *end = p + text.size(); p < end;) {
    if (static_cast<unsigned char>(*p) < 0x80) {
      out.push_back(*p++);
      continue;
    }
    const Utf8Char c = utf8_next(p, end);
    p += c.length;
    out.push_back(static_cast<char>(pages_[page_of_[c.code >> 8]][c.code & 0xFF]));
  }
}

namespace {

std::string rewritten(const ParsedExpression& parsed, const ShapeTable& table) {
  std::string out;
  for (const auto& item : parsed.items) out += item.op.empty() ? table.set_of(item.set) : item.op;
  return out;
}

}  // namespace

struct SplitExpression::Code {
  Code(const std::string& expression, const std::string& file, const ParsedExpression& parsed)
      : text(expression), source(file), table(parsed, expression, file) {}
  ~Code() { pcre2_code_free(compiled); }
  std::string text, source;
  ShapeTable table;
  pcre2_code* compiled = nullptr;
};

struct SplitExpression::Scratch::Impl {
  pcre2_match_data* match = pcre2_match_data_create(1, nullptr);
  std::string shape;
  ~Impl() { pcre2_match_data_free(match); }
};

SplitExpression::Scratch::Scratch() : impl_(std::make_unique<Impl>()) {}
SplitExpression::Scratch::~Scratch() = default;
SplitExpression::Scratch::Scratch(Scratch&&) noexcept = default;

SplitExpression::SplitExpression(const std::string& expression, const std::string& source) {
  const ParsedExpression parsed = parse_expression(expression, source);
  code_ = std::make_unique<Code>(expression, source, parsed);
  const std::string shaped = rewritten(parsed, code_->table);
  int error = 0;
  size_t offset = 0;
  code_->compiled =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(shaped.data()), shaped.size(), 0, &error, &offset, nullptr);
  if (!code_->compiled) {
    unsigned char message[256];
    pcre2_get_error_message(error, message, sizeof message);
    fail("{}: the expression '{}' is not one ({})", source, expression, reinterpret_cast<const char*>(message));
  }
  pcre2_jit_compile(code_->compiled, PCRE2_JIT_COMPLETE);  // without it the same, slower
}
SplitExpression::~SplitExpression() = default;
SplitExpression::SplitExpression(SplitExpression&&) noexcept = default;
SplitExpression& SplitExpression::operator=(SplitExpression&&) noexcept = default;

std::string shape_expression(const std::string& expression, const std::string& source) {
  const ParsedExpression parsed = parse_expression(expression, source);
  return rewritten(parsed, ShapeTable(parsed, expression, source));
}

ExpressionCursor::ExpressionCursor(const SplitExpression& expression, std::string_view text,
                                   SplitExpression::Scratch& scratch)
    : expression_(expression), scratch_(*scratch.impl_), shape_(text), at_(text.data()), ascii_(is_ascii(text)) {
  if (ascii_) return;
  scratch_.shape.clear();
  expression.code_->table.append(text, scratch_.shape);
  shape_ = scratch_.shape;
}

bool ExpressionCursor::search() {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(shape_.data());
  const auto& code = *expression_.code_;
  while (search_at_ <= shape_.size()) {
    int found = pcre2_match(code.compiled, subject, shape_.size(), search_at_, 0, scratch_.match, nullptr);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
      found = pcre2_match(code.compiled, subject, shape_.size(), search_at_, PCRE2_NO_JIT, scratch_.match, nullptr);
    LL_CHECK(found >= 0 || found == PCRE2_ERROR_NOMATCH,
             "{}: the expression '{}' gives up on a text of {} bytes (PCRE2 error {})", code.source, code.text,
             shape_.size(), found);
    if (found < 0) break;
    const size_t* match = pcre2_get_ovector_pointer(scratch_.match);
    match_begin_ = match[0];
    match_end_ = std::max(match[0], match[1]);
    if (match_begin_ == match_end_ && match_end_ == last_match_end_) {
      ++search_at_;
      continue;
    }
    search_at_ = last_match_end_ = match_end_;
    return true;
  }
  search_at_ = shape_.size() + 1;
  return false;
}

const char* ExpressionCursor::next() {
  const size_t start = shape_at_;
  if (held_) {
    shape_at_ = match_end_;
    held_ = false;
    is_match_ = true;
  } else if (search()) {
    is_match_ = match_begin_ == start;
    held_ = !is_match_;
    shape_at_ = is_match_ ? match_end_ : match_begin_;
  } else {
    if (start == shape_.size()) return nullptr;
    is_match_ = false;
    shape_at_ = shape_.size();
  }
  const size_t characters = shape_at_ - start;
  if (ascii_) return at_ += characters;
  for (size_t i = 0; i < characters; ++i) {
    const auto lead = static_cast<unsigned char>(*at_);
    at_ += lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  }
  return at_;
}

}  // namespace lowland
