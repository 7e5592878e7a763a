#include "apps/objectives/masked_lm.h"

#include <algorithm>
#include <cmath>

#include "apps/data/documents.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

constexpr uint64_t kMaskStream = 0x6d6c6d;   // "mlm": the masks' own stream of draws
constexpr uint64_t kDevDraw = ~uint64_t{0};  // where the epoch stands for the training set

const Roberta& encoder(const nn::Model& model) { return static_cast<const Roberta&>(model); }

// Cuts a document into sequences of at most max_length tokens, <s> and </s> included.
void add_document(const Tokenizer& tokenizer, Tokenizer::Scratch& scratch, const std::string& text, int64_t max_length,
                  std::vector<std::vector<int32_t>>& out) {
  std::vector<int32_t> ids;
  tokenizer.encode(text, EncodeOptions{false}, scratch, ids);
  const int32_t cls = tokenizer.need(&SpecialIds::cls), sep = tokenizer.need(&SpecialIds::sep);
  const auto body = static_cast<size_t>(max_length - 2);
  for (size_t begin = 0; begin < ids.size(); begin += body) {
    std::vector<int32_t> s{cls};
    s.insert(s.end(), ids.begin() + begin, ids.begin() + std::min(ids.size(), begin + body));
    s.push_back(sep);
    out.push_back(std::move(s));
  }
}

}  // namespace

std::vector<std::vector<int32_t>> read_sequences(const Tokenizer& tokenizer, const std::vector<std::string>& files,
                                                 int64_t max_length, bool line_by_line) {
  LL_CHECK(max_length > 2, "max-length must leave room for text between <s> and </s>, got {}", max_length);
  std::vector<std::vector<int32_t>> out;
  const std::unique_ptr<Tokenizer::Scratch> scratch = tokenizer.make_scratch();
  for_each_document(files, line_by_line,
                    [&](const std::string& text) { add_document(tokenizer, *scratch, text, max_length, out); });
  return out;
}

MaskedLm::Sequences::Sequences(std::vector<std::vector<int32_t>> all) : ids(std::move(all)) {
  for (const auto& s : ids) lengths.push_back(static_cast<int32_t>(s.size()));
}

MaskedLm::MaskedLm(const Tokenizer& tokenizer, std::vector<std::vector<int32_t>> train,
                   std::vector<std::vector<int32_t>> dev, uint64_t seed)
    : mask_id_(tokenizer.need(&SpecialIds::mask)),
      vocab_size_(tokenizer.vocab_size()),
      special_ids_{tokenizer.special().cls, tokenizer.special().sep, tokenizer.special().pad, mask_id_},
      train_(std::move(train)),
      dev_(std::move(dev)),
      seed_(seed) {}

// Chooses tokens of the segment, replaces them and notes what they were. At least one, as in BERT.
void MaskedLm::mask_tokens(nn::Segment& segment, int64_t sequence, PhiloxKey key, std::vector<int32_t>& targets) const {
  const auto draw = [&](size_t p) {
    return philox(key, static_cast<uint32_t>(sequence), static_cast<uint32_t>(p), 0, 0);
  };
  constexpr auto kChosen = static_cast<uint32_t>(0.15 * 4294967296.0);
  uint32_t lowest = kChosen;
  std::vector<size_t> open;  // positions that hold no special token
  for (size_t p = 0; p < segment.ids.size(); ++p)
    if (std::find(special_ids_.begin(), special_ids_.end(), segment.ids[p]) == special_ids_.end()) open.push_back(p);
  if (open.empty()) return;
  const uint32_t smallest = draw(*std::min_element(open.begin(), open.end(), [&](size_t a, size_t b) {
                              return draw(a).v[0] < draw(b).v[0];
                            })).v[0];
  lowest = std::max(lowest, smallest == UINT32_MAX ? smallest : smallest + 1);
  for (const size_t p : open) {
    const PhiloxBlock r = draw(p);
    if (r.v[0] >= lowest) continue;
    int32_t& id = segment.ids[p];
    segment.select.push_back(static_cast<int32_t>(p));
    targets.push_back(id);
    const double kind = r.v[1] * 0x1.0p-32;
    if (kind < 0.8) {
      id = mask_id_;
    } else if (kind < 0.9) {
      id = static_cast<int32_t>(r.v[2] % static_cast<uint32_t>(vocab_size_));
    }
  }
}

PackedBatch MaskedLm::pack(const nn::Model& model, DataSplit split, const std::vector<int64_t>& which,
                           const Place& place) const {
  const PhiloxKey key = philox_key(seed_, place.training ? static_cast<uint64_t>(place.epoch) : kDevDraw, kMaskStream);
  std::vector<nn::Segment> segments;
  std::vector<int32_t> targets;
  int64_t number = place.first;
  for (const int64_t i : which) {
    nn::Segment segment{of(split).ids[i], number++, {}};
    mask_tokens(segment, i, key, targets);
    segments.push_back(std::move(segment));
  }
  PackedBatch batch = pack_batch(model.context(), segments, std::move(targets));
  batch.examples = which;
  return batch;
}

Tensor MaskedLm::loss(const nn::Model& model, const PackedBatch& batch, const nn::Mode& mode, double scale) const {
  CrossEntropyOptions options;
  options.scale = scale;
  return ops::cross_entropy(encoder(model).forward(batch.rows, mode), batch.targets, options);  // (1)
}

Evaluation MaskedLm::evaluate(const nn::Model& model, DataSplit split, const BatchSettings& batch) const {
  const MeanLoss mean = mean_loss(*this, model, split, batch);
  return {{{"eval_loss", mean.loss}, {"eval_perplexity", std::exp(mean.loss)}}, -mean.loss, "loss"};
}

int64_t MaskedLm::head_dim(const nn::Model& model) const {
  const RobertaConfig& c = encoder(model).config();
  return c.hidden_size / c.num_attention_heads;
}

}  // namespace lowland::apps
