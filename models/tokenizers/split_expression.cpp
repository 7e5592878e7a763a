#define PCRE2_CODE_UNIT_WIDTH 8
#include "models/tokenizers/split_expression.h"

#include <pcre2.h>

#include "engine/error.h"
#include "models/tokenizers/shape.h"
#include "models/tokenizers/unicode_classes.h"
#include "models/tokenizers/utf8.h"

namespace lowland {

void append_shape(std::string_view text, std::string& out) {
  const UnicodeClasses& classes = unicode_classes();
  for (const char *p = text.data(), *end = p + text.size(); p < end;) {
    if (static_cast<unsigned char>(*p) < 0x80) {
      out.push_back(*p++);
      continue;
    }
    const Utf8Char c = utf8_next(p, end);
    p += c.length;
    const uint8_t kind = classes[c.code];
    const Shape shape = c.code == 0x17F    ? kShapeLongS
                        : c.code == 0x212A ? kShapeKelvin
                        : kind & kL        ? kShapeL
                        : kind & kN        ? kShapeN
                        : kind & kS        ? kShapeS
                                           : kShapeOther;
    out.push_back(static_cast<char>(shape));
  }
}

struct SplitExpression::Code {
  pcre2_code* compiled = nullptr;
  std::string text, source;
  ~Code() { pcre2_code_free(compiled); }
};

struct SplitExpression::Scratch::Impl {
  pcre2_match_data* match = pcre2_match_data_create(1, nullptr);
  std::string shape;
  ~Impl() { pcre2_match_data_free(match); }
};

SplitExpression::Scratch::Scratch() : impl_(std::make_unique<Impl>()) {}
SplitExpression::Scratch::~Scratch() = default;
SplitExpression::Scratch::Scratch(Scratch&&) noexcept = default;

SplitExpression::SplitExpression(const std::string& expression, const std::string& source)
    : code_(std::make_unique<Code>()) {
  code_->text = expression;
  code_->source = source;
  const std::string shaped = shape_expression(expression, source);
  int error = 0;
  size_t offset = 0;
  code_->compiled =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(shaped.data()), shaped.size(), 0, &error, &offset, nullptr);
  if (!code_->compiled) {
    unsigned char message[256];
    pcre2_get_error_message(error, message, sizeof message);
    fail("{}: the expression '{}' of the pre_tokenizer is not one ({})", source, expression,
         reinterpret_cast<const char*>(message));
  }
  uint32_t empty = 0;
  pcre2_pattern_info(code_->compiled, PCRE2_INFO_MATCHEMPTY, &empty);
  LL_CHECK(empty == 0, "{}: the expression '{}' of the pre_tokenizer matches the empty text", source, expression);
  pcre2_jit_compile(code_->compiled, PCRE2_JIT_COMPLETE);  // without it the same, slower
}
SplitExpression::~SplitExpression() = default;
SplitExpression::SplitExpression(SplitExpression&&) noexcept = default;
SplitExpression& SplitExpression::operator=(SplitExpression&&) noexcept = default;

ExpressionCursor::ExpressionCursor(const SplitExpression& expression, std::string_view text,
                                   SplitExpression::Scratch& scratch)
    : expression_(expression), scratch_(*scratch.impl_), shape_(text), at_(text.data()), ascii_(is_ascii(text)) {
  if (ascii_) return;
  scratch_.shape.clear();
  append_shape(text, scratch_.shape);
  shape_ = scratch_.shape;
}

const char* ExpressionCursor::next() {
  const size_t start = shape_at_;
  if (match_end_ > 0) {
    shape_at_ = match_end_;
    match_end_ = 0;
  } else {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(shape_.data());
    const pcre2_code* code = expression_.code_->compiled;
    int found = pcre2_match(code, subject, shape_.size(), start, 0, scratch_.match, nullptr);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
      found = pcre2_match(code, subject, shape_.size(), start, PCRE2_NO_JIT, scratch_.match, nullptr);
    LL_CHECK(found >= 0 || found == PCRE2_ERROR_NOMATCH,
             "{}: the expression '{}' gives up on a text of {} bytes (PCRE2 error {})", expression_.code_->source,
             expression_.code_->text, shape_.size(), found);
    const size_t* match = pcre2_get_ovector_pointer(scratch_.match);
    if (found < 0) {
      shape_at_ = shape_.size();
    } else if (match[0] > start) {
      shape_at_ = match[0];
      match_end_ = match[1];
    } else {
      shape_at_ = match[1];
    }
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
