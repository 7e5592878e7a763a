#include "models/tokenizers/normalizer.h"

#include <numeric>

#include "engine/error.h"

namespace lowland {

Normalizer::Normalizer(std::vector<Step> steps) : steps_(std::move(steps)) {
  for (const Step& step : steps_)
    LL_CHECK(step.kind != Kind::kReplace || !step.from.empty(), "a normalizer replaces the empty text");
}

void Normalizer::run(MappedText& out, bool mapped) const {
  for (const Step& step : steps_) {
    if (step.kind == Kind::kNfc)
      compose(out, mapped);
    else if (step.kind == Kind::kPrepend)
      prepend(out, step.to, mapped);
    else
      replace(out, step.from, step.to, mapped);
  }
}

std::string Normalizer::normalized(std::string_view text) const {
  MappedText out{std::string(text), {}};
  run(out, false);
  return out.text;
}

void prepend(MappedText& out, std::string_view prefix, bool mapped) {
  if (out.text.empty()) return;
  out.text.insert(0, prefix);
  if (mapped) out.source_end.insert(out.source_end.begin(), prefix.size(), 0);
}

void replace(MappedText& out, std::string_view from, std::string_view to, bool mapped) {
  size_t at = out.text.find(from);
  if (at == std::string::npos) return;
  std::string text;
  std::vector<uint32_t> ends;
  text.reserve(out.text.size() + out.text.size() / 2);
  size_t done = 0;
  const auto copy = [&](size_t stop) {
    text.append(out.text, done, stop - done);
    if (mapped) ends.insert(ends.end(), out.source_end.begin() + done, out.source_end.begin() + stop);
  };
  for (; at != std::string::npos; at = out.text.find(from, done)) {
    copy(at);
    done = at + from.size();
    text.append(to);
    if (mapped) ends.insert(ends.end(), to.size(), out.source_end[done - 1]);
  }
  copy(out.text.size());
  out.text = std::move(text);
  if (mapped) out.source_end = std::move(ends);
}

void start_map(std::vector<uint32_t>& source_end, size_t n) {
  source_end.resize(n);
  std::iota(source_end.begin(), source_end.end(), 1u);
}

}  // namespace lowland
