#include "models/tokenizers/mapped_text.h"

#include <numeric>

namespace lowland {

void start_map(std::vector<uint32_t>& source_end, size_t n) {
  source_end.resize(n);
  std::iota(source_end.begin(), source_end.end(), 1u);
}

Rewrite::Rewrite(MappedText& text, bool mapped) : source_(text), mapped_(mapped) {
  text_.reserve(text.text.size() + text.text.size() / 2);
}

void Rewrite::keep(size_t n) {
  text_.append(source_.text, at_, n);
  if (mapped_) ends_.insert(ends_.end(), source_.source_end.begin() + at_, source_.source_end.begin() + at_ + n);
  at_ += n;
}

void Rewrite::replace(size_t n, std::string_view with) {
  at_ += n;
  text_.append(with);
  if (mapped_) ends_.insert(ends_.end(), with.size(), at_ == 0 ? 0 : source_.source_end[at_ - 1]);
}

void Rewrite::finish() {
  keep(source_.text.size() - at_);
  source_.text = std::move(text_);
  if (mapped_) source_.source_end = std::move(ends_);
}

void prepend(MappedText& out, std::string_view prefix, bool mapped) {
  if (out.text.empty()) return;
  out.text.insert(0, prefix);
  if (mapped) out.source_end.insert(out.source_end.begin(), prefix.size(), 0);
}

void replace(MappedText& out, std::string_view from, std::string_view to, bool mapped) {
  size_t at = out.text.find(from);
  if (at == std::string::npos) return;
  Rewrite rewrite(out, mapped);
  for (size_t done = 0; at != std::string::npos; at = out.text.find(from, done)) {
    rewrite.keep(at - done);
    rewrite.replace(from.size(), to);
    done = at + from.size();
  }
  rewrite.finish();
}

}  // namespace lowland
