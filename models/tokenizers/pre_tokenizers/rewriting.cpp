// The pre-tokenizers that change the text as well: ByteLevel and Metaspace.
#include "models/tokenizers/byte_alphabet.h"
#include "models/tokenizers/pre_tokenizers/gpt2_split.h"
#include "models/tokenizers/pre_tokenizers/pre_tokenizer.h"
#include "models/tokenizers/unicode_classes.h"

namespace lowland {
namespace {

using Word = WordList::Word;

// Rewrites the words; what is between them goes. change(rewrite, word) passes the text of one word.
template <class Change> void rewrite_words(WordList& list, Change change) {
  Rewrite rewrite(list.text, list.mapped);
  uint32_t at = 0;
  for (Word& word : list.words) {
    rewrite.drop(word.begin - at);
    at = word.end;
    const auto begin = static_cast<uint32_t>(rewrite.size());
    change(rewrite, list.view(word), &word == &list.words.front());
    word = {begin, static_cast<uint32_t>(rewrite.size())};
  }
  rewrite.drop(list.text.text.size() - at);
  rewrite.finish();
}

class Space final : public PreTokenizer {
 public:
  void run(WordList& list) const override {
    rewrite_words(list, [](Rewrite& rewrite, std::string_view word, bool) {
      if (!word.starts_with(' ')) rewrite.insert(" ");
      rewrite.keep(word.size());
    });
  }
};

class ByteLevel final : public PreTokenizer {
 public:
  ByteLevel(bool prefix_space, bool words) : prefix_space_(prefix_space), words_(words) {}
  void run(WordList& list) const override {
    if (prefix_space_) Space().run(list);
    if (words_) cut(list);
    const ByteAlphabet alphabet;
    rewrite_words(list, [&alphabet](Rewrite& rewrite, std::string_view word, bool) {
      for (const char byte : word) rewrite.replace(1, alphabet.character(static_cast<uint8_t>(byte)));
    });
  }

 private:
  static void cut(WordList& list) {
    list.before.swap(list.words);
    list.words.clear();
    const char* base = list.text.text.data();
    for (const Word word : list.before) {
      for (const char *p = base + word.begin, *end = base + word.end; p < end;) {
        const char* stop = gpt2_word_end(unicode_classes(), p, end);
        list.words.push_back({static_cast<uint32_t>(p - base), static_cast<uint32_t>(stop - base)});
        p = stop;
      }
    }
  }

  bool prefix_space_, words_;
};

class Metaspace final : public PreTokenizer {
 public:
  Metaspace(std::string mark, MarkScheme scheme, bool split) : mark_(std::move(mark)), scheme_(scheme), split_(split) {}

  void run(WordList& list) const override {
    const bool starts = !list.words.empty() && list.words.front().begin == 0 && list.at_text_start;
    rewrite_words(list, [&](Rewrite& rewrite, std::string_view word, bool first) {
      const bool wanted = scheme_ == MarkScheme::kAlways || (scheme_ == MarkScheme::kFirst && first && starts);
      if (wanted && !word.starts_with(' ') && !word.starts_with(mark_)) rewrite.insert(mark_);
      for (const char c : word) {
        if (c == ' ')
          rewrite.replace(1, mark_);
        else
          rewrite.keep(1);
      }
    });
    if (split_) cut(list);
  }

 private:
  // Each mark begins a word.
  void cut(WordList& list) const {
    list.before.swap(list.words);
    list.words.clear();
    for (const Word word : list.before) {
      const std::string_view text = list.view(word);
      for (size_t at = 0; at < text.size();) {
        const size_t from = text.substr(at).starts_with(mark_) ? at + mark_.size() : at;
        const size_t end = std::min(text.find(mark_, from), text.size());
        list.words.push_back({word.begin + static_cast<uint32_t>(at), word.begin + static_cast<uint32_t>(end)});
        at = end;
      }
    }
  }

  std::string mark_;
  MarkScheme scheme_;
  bool split_;
};

}  // namespace

PreTokenizerPtr space_pre_tokenizer() { return std::make_unique<Space>(); }

PreTokenizerPtr byte_level_pre_tokenizer(bool prefix_space, bool words) {
  return std::make_unique<ByteLevel>(prefix_space, words);
}

PreTokenizerPtr metaspace_pre_tokenizer(std::string mark, MarkScheme scheme, bool split) {
  if (mark.empty()) mark = "\u2581";
  return std::make_unique<Metaspace>(std::move(mark), scheme, split);
}

}  // namespace lowland
