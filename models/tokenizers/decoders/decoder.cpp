// The table of decoders, and those that work on the text of a token.
#include "models/tokenizers/decoders/decoder.h"

#include <algorithm>
#include <optional>

#include "models/tokenizers/decoders/bytes.h"
#include "models/tokenizers/json_parts.h"
#include "models/tokenizers/split_expression.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

using nlohmann::json;

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  if (from.empty()) return std::string(text);
  for (size_t at; (at = text.find(from)) != std::string_view::npos; text.remove_prefix(at + from.size()))
    out.append(text.substr(0, at)).append(to);
  return out.append(text);
}

// What the WordPiece decoder calls cleaning up.
std::string cleaned(std::string text) {
  constexpr const char* kChanges[][2] = {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
                                         {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                         {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kChanges) text = replaced(text, from, to);
  return text;
}

// A stage that gives change(text, whether it is the first token) for each token.
template <class Change> class EachToken final : public TokenStage {
 public:
  explicit EachToken(Change change) : change_(std::move(change)) {}

 protected:
  void token(std::string_view text) override {
    give(change_(text, first_));
    first_ = false;
  }

 private:
  Change change_;
  bool first_ = true;
};
template <class Change> Decoder each_token(Change change) {
  return {[change] { return std::make_unique<EachToken<Change>>(change); }};
}

template <class Stage, class... Args> Decoder one(Args... args) {
  return {[=] { return std::make_unique<Stage>(args...); }};
}

class Fuse final : public DecodeStage {
 public:
  void take(std::string_view text, bool, bool) override {
    give(text, first_, false);
    first_ = false;
  }
  void finish() override {
    give("", first_, true);
    next_->finish();
  }

 private:
  bool first_ = true;
};

// Up to start characters from the beginning of a token, and stop from its end, where they are the given one.
class Strip final : public DecodeStage {
 public:
  Strip(std::string content, size_t start, size_t stop) : content_(std::move(content)), start_(start), stop_(stop) {}
  void take(std::string_view text, bool begins, bool ends) override {
    if (begins) left_ = start_;
    while (left_ > 0 && text.starts_with(content_)) text.remove_prefix(content_.size()), --left_;
    if (!text.empty()) left_ = 0;
    if (stop_ == 0) return give(text, begins, ends);
    held_.append(text);
    if (!ends) return;
    for (size_t i = 0; i < stop_ && held_.ends_with(content_); ++i) held_.resize(held_.size() - content_.size());
    give(held_);
    held_.clear();
  }

 private:
  std::string content_;
  size_t start_, stop_, left_ = 0;
  std::string held_;
};

// The suffix of a token becomes a space, that of the last nothing.
class BpeSuffix final : public TokenStage {
 public:
  explicit BpeSuffix(std::string suffix) : suffix_(std::move(suffix)) {}
  void finish() override {
    if (held_) give(replaced(*held_, suffix_, ""));
    next_->finish();
  }

 protected:
  void token(std::string_view text) override {
    if (held_) give(replaced(*held_, suffix_, " "));
    held_ = text;
  }

 private:
  std::string suffix_;
  std::optional<std::string> held_;
};

class Ctc final : public TokenStage {
 public:
  Ctc(std::string pad, std::string delimiter, bool cleanup)
      : pad_(std::move(pad)), delimiter_(std::move(delimiter)), cleanup_(cleanup) {}

 protected:
  void token(std::string_view text) override {
    if (before_ == text) return;
    before_ = text;
    std::string out = replaced(text, pad_, "");
    if (cleanup_) out = replaced(cleaned(out), delimiter_, " ");
    if (!out.empty()) give(out);
  }

 private:
  std::string pad_, delimiter_;
  bool cleanup_;
  std::optional<std::string> before_;
};

Decoder word_piece(const std::string& prefix, bool cleanup) {
  return each_token([prefix, cleanup](std::string_view text, bool first) {
    std::string out(text);
    if (!first) out = text.starts_with(prefix) ? std::string(text.substr(prefix.size())) : " " + out;
    return cleanup ? cleaned(out) : out;
  });
}

Decoder replace_of(const json& component, const std::string& source) {
  const json& pattern = component.at("pattern");
  const auto to = component.at("content").get<std::string>();
  if (pattern.contains("String")) {
    const auto from = pattern.at("String").get<std::string>();
    return each_token([from, to](std::string_view text, bool) { return replaced(text, from, to); });
  }
  const auto expression = std::make_shared<SplitExpression>(pattern.at("Regex").get<std::string>(), source);
  return each_token([expression, to](std::string_view text, bool) {
    const std::string valid = utf8_valid(text) ? std::string(text) : utf8_repair(text);
    SplitExpression::Scratch scratch;
    ExpressionCursor cursor(*expression, valid, scratch);
    std::string out;
    for (const char *at = valid.data(), *end; (end = cursor.next()) != nullptr; at = end)
      out.append(cursor.is_match() ? std::string_view(to) : std::string_view(at, end - at));
    return out;
  });
}

Decoder metaspace(const json& component) {
  const std::string mark = component.value("replacement", "\u2581");
  const bool never =
      component.value("prepend_scheme", std::string("always")) == "never" || !component.value("add_prefix_space", true);
  return each_token(
      [mark, never](std::string_view text, bool first) { return replaced(text, mark, first && !never ? "" : " "); });
}

Decoder sequence(const json& component, const std::string& source) {
  Decoder out;
  for (const json& inner : component.at("decoders")) {
    if (inner.is_null()) fail("{}: a decoder of the Sequence is null", source);
    for (auto& stage : make_decoder(inner, source)) out.push_back(std::move(stage));
  }
  return out;
}

struct Kind {
  const char* name;
  Decoder (*make)(const json& component, const std::string& source);
};
constexpr Kind kKinds[] = {
    {"Sequence", sequence},
    {"ByteLevel", [](const json&, const std::string&) { return byte_level_decoder(); }},
    {"ByteFallback", [](const json&, const std::string&) { return Decoder{byte_fallback_stage}; }},
    {"Fuse", [](const json&, const std::string&) { return one<Fuse>(); }},
    {"Replace", replace_of},
    {"Metaspace", [](const json& c, const std::string&) { return metaspace(c); }},
    {"WordPiece",
     [](const json& c, const std::string&) { return word_piece(c.value("prefix", "##"), c.value("cleanup", true)); }},
    {"BPEDecoder", [](const json& c, const std::string&) { return one<BpeSuffix>(c.value("suffix", "</w>")); }},
    {"Strip",
     [](const json& c, const std::string&) {
       return one<Strip>(c.value("content", " "), c.value("start", size_t{0}), c.value("stop", size_t{0}));
     }},
    {"CTC",
     [](const json& c, const std::string&) {
       return one<Ctc>(c.value("pad_token", "<pad>"), c.value("word_delimiter_token", "|"), c.value("cleanup", true));
     }},
};

}  // namespace

Decoder make_decoder(const json& component, const std::string& source) {
  if (!component.is_null()) return make_component<Decoder>(kKinds, component, "decoder", source);
  return each_token([](std::string_view text, bool first) { return (first ? "" : " ") + std::string(text); });
}

Decoder byte_level_decoder() { return {byte_level_stage}; }

Decoder sentencepiece_decoder(bool byte_pieces, bool strip_space) {
  Decoder out = each_token([](std::string_view text, bool) { return replaced(text, "\u2581", " "); });
  if (byte_pieces) out.push_back(byte_fallback_stage);
  out.push_back([] { return std::make_unique<Fuse>(); });
  if (strip_space) out.push_back([] { return std::make_unique<Strip>(" ", 1, 0); });
  return out;
}

Decoder word_piece_decoder() { return word_piece("##", true); }

Decoder llama2c_decoder(std::string begin) {
  return {[begin] { return llama2c_stage(begin); }};
}

}  // namespace lowland
