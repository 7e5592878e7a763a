// Text to ids and back, identical to Hugging Face's `tokenizers`. Start here; then bpe_tokenizer.h.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizers/text_range.h"

namespace lowland {

// Ids of the tokens with a role; -1 where the tokenizer has none. Of a model that continues text bos and eos count, of
// an encoder cls and sep: where the files name no cls or sep they are bos and eos.
struct SpecialIds {
  int32_t bos = -1, eos = -1;
  int32_t cls = -1, sep = -1;
  int32_t pad = -1, unk = -1, mask = -1;
};
struct SpecialTokens {
  SpecialIds ids;
  // Roles (`eos_token`) whose token the files name and the vocabulary lacks.
  std::map<std::string, std::string> lacking = {};
  std::string source = {};              // the folder or file, for errors
  std::vector<std::string> notes = {};  // what a user should know of the files, a sentence each
};

struct EncodeOptions {
  // Whether `<s>`, `<mask>` ... written in the text become those tokens, as Hugging Face's encode does. False
  // is their split_special_tokens=True: user text never makes a special token. Tokens that are added but not
  // special always count.
  bool parse_special = true;
  // Stretches, ascending, in which no special token is found whatever parse_special says: what a user wrote
  // among the markers of a chat. Texts with such stretches must be valid UTF-8.
  std::span<const TextRange> verbatim = {};
};

// Ids to text as they come. What it gives, joined, is decode() of all ids; no character is ever split.
class DecodeStream {
 public:
  virtual ~DecodeStream() = default;
  // Appends to out the text that is certain with this id: often its own, sometimes nothing yet.
  virtual void feed(int32_t id, std::string& out) = 0;
  // Appends what is left: bytes that did not become a character, as U+FFFD. The stream is then at its end.
  virtual void finish(std::string& out) = 0;
};

// What goes around one text (A) and around two (A, B): `<s> A </s>`, `<s> A </s></s> B </s>`.
struct InputTemplate {
  static constexpr int32_t kA = -1, kB = -2;
  std::vector<int32_t> single = {kA};  // ids, kA and kB
  std::vector<int32_t> pair = {kA, kB};
  std::vector<int32_t> single_types = {}, pair_types = {};  // the token type of each of these; empty: all 0
};

// Immutable: threads may share one, each with a scratch of its own.
//
// Text is UTF-8. Bytes that are not are read as Python's bytes.decode("utf-8", errors="replace") reads them:
// each maximal subpart becomes U+FFFD, which is what Hugging Face's tokenizers then see.
class Tokenizer {
 public:
  // Working memory, and a cache of words already met. One per thread, of one tokenizer.
  class Scratch {
   public:
    virtual ~Scratch() = default;
  };

  virtual ~Tokenizer() = default;

  // The ids of text, without `<s>` and `</s>` around it (build_inputs puts them).
  std::vector<int32_t> encode(std::string_view text, EncodeOptions options = {}) const;
  // The same for many texts: appends to out. The scratch comes from make_scratch() of this tokenizer.
  virtual void encode(std::string_view text, EncodeOptions options, Scratch& scratch,
                      std::vector<int32_t>& out) const = 0;
  // The same for one text, and how many bytes of it are used up with each id: the first ends[0] bytes by the
  // first id. REQUIRES valid UTF-8.
  virtual void encode_with_ends(std::string_view text, EncodeOptions options, std::vector<int32_t>& out,
                                std::vector<uint32_t>& ends) const = 0;
  virtual std::unique_ptr<Scratch> make_scratch() const = 0;

  // Ids to text. Ids outside the vocabulary are left out, as Hugging Face does; bytes that are not UTF-8
  // become U+FFFD.
  std::string decode(std::span<const int32_t> ids, bool skip_special = true) const;
  // For ids that come one at a time. The tokenizer must outlive it.
  virtual std::unique_ptr<DecodeStream> decode_stream(bool skip_special = true) const = 0;
  // The text of one id as the vocabulary file writes it (`Ġthe`); empty for an id that is not used.
  virtual std::string_view piece(int32_t id) const = 0;
  // The id of such a text, -1 where there is none.
  virtual int32_t id_of(std::string_view piece) const = 0;
  // One more than the largest id.
  virtual int32_t vocab_size() const = 0;

  const SpecialIds& special() const { return special_.ids; }
  // The id of a role that the caller cannot do without. Error, one sentence that names the role, if there is none.
  int32_t need(int32_t SpecialIds::*role) const;
  // What a user should know of the files, a sentence each.
  const std::vector<std::string>& notes() const { return special_.notes; }
  // For a model whose table has `rows` ids: where the tokenizer has more, that is a note, and from now on an id at or
  // above `rows` is an Error that names it where it comes out of a text, a role or build_inputs.
  void limit_to(int64_t rows);
  const InputTemplate& input_template() const { return around_; }

  // How many special tokens build_inputs adds: RoBERTa 2, for a pair 4.
  int64_t special_count(bool pair) const;
  // `<s> A </s>` or `<s> A </s></s> B </s>`, appended to out, in at most max_length tokens (0: no limit).
  // What is too long loses tokens at the end, the longer text first (longest_first of Hugging Face, its ties
  // included). Returns the number of tokens cut off: 0 if nothing was. Error if max_length has no room for
  // the special tokens. Where `types` is given, the token types of what was appended are appended to it.
  int64_t build_inputs(std::span<const int32_t> a, std::optional<std::span<const int32_t>> b, int64_t max_length,
                       std::vector<int32_t>& out, std::vector<int32_t>* types = nullptr) const;

 protected:
  Tokenizer(SpecialTokens special, InputTemplate around) : special_(std::move(special)), around_(std::move(around)) {}
  // A scratch for one call: no cache.
  virtual std::unique_ptr<Scratch> make_small_scratch() const = 0;
  // Error where one of ids, from the index `from` on, is above the limit.
  void check_limit(const std::vector<int32_t>& ids, size_t from) const {
    if (limited_) check_each(ids, from);
  }

 private:
  void check_each(const std::vector<int32_t>& ids, size_t from) const;

  SpecialTokens special_;
  bool limited_ = false;
  int64_t limit_ = 0;
  InputTemplate around_;
};

// Reads the tokenizer of a folder, or one file. In a folder, the first of these that is there:
//   tokenizer.json            any that the tokenizers library reads
//   vocab.json and merges.txt the same of RoBERTa, GPT-2 and Qwen2 (or encoder.json and vocab.bpe)
//   tokenizer.model           sentencepiece's (Llama 2), or tiktoken's (Llama 3 as Meta releases it); also under the
//                             names sentencepiece.bpe.model (XLM-R, CamemBERT) and spiece.model (T5, ALBERT)
//   vocab.txt                 BERT's WordPiece
//   tokenizer.bin             llama2.c's
// with what special_tokens_map.json, tokenizer_config.json and added_tokens.json beside it say. One file may have any
// name: what it is is seen from its first bytes. A part of tokenizer.json that is not reproduced is refused by name, a
// decoder when it is first to decode; its truncation and padding are the caller's business and are not read.
// Error, one sentence naming the file: missing, not JSON, a malformed merge, a merge whose pieces the vocabulary lacks.
std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path);

}  // namespace lowland
