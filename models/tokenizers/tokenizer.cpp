#include "models/tokenizers/tokenizer.h"

#include <algorithm>

#include "engine/error.h"

namespace lowland {
namespace {

struct Lengths {
  int64_t a, b;
};

// truncate_encodings of the tokenizers library, longest_first, for a pair of a + b > room tokens.
Lengths longest_first(int64_t a, int64_t b, int64_t room) {
  const bool swapped = a > b;
  int64_t shorter = std::min(a, b);
  int64_t longer = shorter > room ? shorter : std::max(shorter, room - shorter);
  if (shorter + longer > room) {
    shorter = room / 2;
    longer = shorter + room % 2;
  }
  return swapped ? Lengths{longer, shorter} : Lengths{shorter, longer};
}

}  // namespace

std::vector<int32_t> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<int32_t> ids;
  encode(text, options, *make_small_scratch(), ids);
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string text;
  const auto stream = decode_stream(skip_special);
  for (const int32_t id : ids) stream->feed(id, text);
  stream->finish(text);
  return text;
}

void Tokenizer::limit_to(int64_t rows) {
  limited_ = vocab_size() > rows;
  limit_ = rows;
  if (limited_)
    special_.notes.push_back(
        fmt::format("{}: the tokenizer has {} ids, the model {}: a text that needs one of the others is "
                    "refused",
                    special_.source, vocab_size(), rows));
}

void Tokenizer::check_each(const std::vector<int32_t>& ids, size_t from) const {
  for (size_t i = from; i < ids.size(); ++i)
    LL_CHECK(ids[i] < limit_, "{}: the token '{}' has the id {}, and the model only {} ids", special_.source,
             piece(ids[i]), ids[i], limit_);
}

int32_t Tokenizer::need(int32_t SpecialIds::*role) const {
  const int32_t id = special_.ids.*role;
  if (id >= 0) {
    check_limit({id}, 0);
    return id;
  }
  const std::pair<int32_t SpecialIds::*, const char*> names[] = {
      {&SpecialIds::bos, "bos_token"}, {&SpecialIds::eos, "eos_token"},   {&SpecialIds::cls, "cls_token"},
      {&SpecialIds::sep, "sep_token"}, {&SpecialIds::mask, "mask_token"}, {&SpecialIds::pad, "pad_token"}};
  const auto* known =
      std::find_if(std::begin(names), std::end(names), [&](const auto& name) { return name.first == role; });
  const std::string name = known == std::end(names) ? "unk_token" : known->second;
  const auto lacking = special_.lacking.find(name);
  if (lacking != special_.lacking.end())
    fail("{}: its {} is '{}', which the vocabulary lacks", special_.source, name, lacking->second);
  fail("{}: the tokenizer has no {}, which is needed here; name it in tokenizer_config.json", special_.source, name);
}

int64_t Tokenizer::special_count(bool pair) const {
  const auto& items = pair ? around_.pair : around_.single;
  return std::count_if(items.begin(), items.end(), [](int32_t id) { return id >= 0; });
}

int64_t Tokenizer::build_inputs(std::span<const int32_t> a, std::optional<std::span<const int32_t>> b,
                                int64_t max_length, std::vector<int32_t>& out, std::vector<int32_t>* types) const {
  Lengths n{static_cast<int64_t>(a.size()), b ? static_cast<int64_t>(b->size()) : 0};
  const int64_t total = n.a + n.b, room = max_length - special_count(b.has_value());
  if (max_length > 0) {
    LL_CHECK(room >= 0, "a length of {} has no room for the {} special tokens around {}", max_length,
             special_count(b.has_value()), b ? "two texts" : "a text");
    if (total > room) n = b ? longest_first(n.a, n.b, room) : Lengths{room, 0};
  }
  const size_t from = out.size();
  const std::vector<int32_t>& type_of = b ? around_.pair_types : around_.single_types;
  size_t i = 0;
  for (const int32_t item : b ? around_.pair : around_.single) {
    const size_t before = out.size();
    if (item == InputTemplate::kA)
      out.insert(out.end(), a.begin(), a.begin() + n.a);
    else if (item == InputTemplate::kB)
      out.insert(out.end(), b->begin(), b->begin() + n.b);
    else
      out.push_back(item);
    if (types != nullptr) types->resize(types->size() + out.size() - before, type_of.empty() ? 0 : type_of[i]);
    ++i;
  }
  check_limit(out, from);
  return total - n.a - n.b;
}

}  // namespace lowland
