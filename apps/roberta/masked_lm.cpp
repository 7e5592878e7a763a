#include "apps/roberta/masked_lm.h"

#include <algorithm>
#include <cmath>

#include "apps/common/trainer.h"
#include "apps/data/documents.h"
#include "engine/autograd.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

constexpr uint64_t kMaskStream = 0x6d6c6d;   // "mlm": the masks' own stream of draws
constexpr uint64_t kDevDraw = ~uint64_t{0};  // the dev set's masks are the same at every evaluation

std::vector<int32_t> lengths_of(const std::vector<std::vector<int32_t>>& sequences) {
  std::vector<int32_t> out;
  for (const auto& s : sequences) out.push_back(static_cast<int32_t>(s.size()));
  return out;
}

// Cuts a document into sequences of at most max_length tokens, <s> and </s> included.
void add_document(const Tokenizer& tokenizer, Tokenizer::Scratch& scratch, const std::string& text, int64_t max_length,
                  std::vector<std::vector<int32_t>>& out) {
  std::vector<int32_t> ids;
  tokenizer.encode(text, EncodeOptions{false}, scratch, ids);
  const auto body = static_cast<size_t>(max_length - 2);
  for (size_t begin = 0; begin < ids.size(); begin += body) {
    std::vector<int32_t> s{tokenizer.special().bos};
    s.insert(s.end(), ids.begin() + static_cast<std::ptrdiff_t>(begin),
             ids.begin() + static_cast<std::ptrdiff_t>(std::min(ids.size(), begin + body)));
    s.push_back(tokenizer.special().eos);
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

MaskedLmWorkload::MaskedLmWorkload(const Roberta& model, const Tokenizer& tokenizer,
                                   std::vector<std::vector<int32_t>> train, std::vector<std::vector<int32_t>> dev,
                                   const Settings& settings)
    : model_(model),
      settings_(settings),
      mask_id_(tokenizer.special().mask),
      vocab_size_(tokenizer.vocab_size()),
      special_ids_{tokenizer.special().bos, tokenizer.special().eos, tokenizer.special().pad, tokenizer.special().mask},
      train_(std::move(train)),
      dev_(std::move(dev)),
      plan_(lengths_of(train_),
            {settings.batch_size, settings.grad_accum, static_cast<uint64_t>(settings.seed), true}) {
  LL_CHECK(mask_id_ >= 0, "the tokenizer has no <mask> token, which masked language modelling needs");
}

// Chooses tokens of the segment, replaces them and notes what they were. At least one, as in BERT.
void MaskedLmWorkload::mask_tokens(nn::Segment& segment, int64_t sequence, PhiloxKey key,
                                   std::vector<int32_t>& targets) const {
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

PackedBatch MaskedLmWorkload::pack(Context& context, const std::vector<std::vector<int32_t>>& sequences,
                                   const std::vector<int64_t>& which, int64_t first, uint64_t draw) const {
  const PhiloxKey key = philox_key(static_cast<uint64_t>(settings_.seed), draw, kMaskStream);
  std::vector<nn::Segment> segments;
  std::vector<int32_t> targets;
  for (size_t i = 0; i < which.size(); ++i) {
    nn::Segment segment{sequences[static_cast<size_t>(which[i])], first + static_cast<int64_t>(i), {}};
    mask_tokens(segment, which[i], key, targets);
    segments.push_back(std::move(segment));
  }
  PackedBatch batch = pack_batch(context, segments, std::move(targets));
  batch.examples = which;
  return batch;
}

std::vector<PackedBatch> MaskedLmWorkload::step(int64_t index) {
  const int64_t epoch = index / steps_per_epoch();
  if (epoch != epoch_) {
    steps_.assign(static_cast<size_t>(steps_per_epoch()), {});
    for (MicroBatch& m : plan_.epoch(epoch)) steps_[static_cast<size_t>(m.step)].push_back(std::move(m));
    epoch_ = epoch;
  }
  std::vector<PackedBatch> batches;
  int64_t first = 0;
  for (const MicroBatch& m : steps_[static_cast<size_t>(index % steps_per_epoch())]) {
    PackedBatch batch = pack(model_.context(), train_, m.examples, first, static_cast<uint64_t>(epoch));
    first += static_cast<int64_t>(m.examples.size());
    if (batch.target_count > 0) batches.push_back(std::move(batch));
  }
  return batches;
}

namespace {

Tensor loss_of(const Roberta& model, const PackedBatch& batch, const nn::Mode& mode, double scale) {
  CrossEntropyOptions options;
  options.scale = scale;
  return ops::cross_entropy(model.forward(batch.rows, mode), batch.targets, options);  // (1)
}

}  // namespace

Tensor MaskedLmWorkload::loss(const PackedBatch& batch, const nn::Mode& mode, double scale) const {
  return loss_of(model_, batch, mode, scale);
}

std::vector<PackedBatch> MaskedLmWorkload::largest_step(Context& context, const Settings& s) const {
  const BatchPlan plan(lengths_of(train_), {s.batch_size, s.grad_accum, static_cast<uint64_t>(s.seed), true});
  std::vector<PackedBatch> batches;
  for (const auto& which : plan.largest_step(total_steps(s, plan.steps_per_epoch()))) {
    PackedBatch batch = pack(context, train_, which, 0, 0);
    if (batch.target_count > 0) batches.push_back(std::move(batch));
  }
  return batches;
}

PlanInput MaskedLmWorkload::plan_input(const std::function<std::unique_ptr<Roberta>(const Settings&)>& make) const {
  PlanInput input;
  input.make = [this, make](const Settings& s) {
    auto model = make(s);
    const auto loss = [m = model.get()](const PackedBatch& batch, const nn::Mode& mode, double scale) {
      return loss_of(*m, batch, mode, scale);
    };
    const auto step = [this, m = model.get(), s] { return largest_step(m->context(), s); };
    return PlannedModel{std::move(model), loss, step};
  };
  input.head_dim = model_.config().hidden_size / model_.config().num_attention_heads;
  return input;
}

std::optional<Evaluation> MaskedLmWorkload::evaluate() {
  if (dev_.empty()) return std::nullopt;
  const NoGrad guard(model_.context());
  double sum = 0;
  int64_t targets = 0;
  for (const auto& which : BatchPlan::in_order(static_cast<int64_t>(dev_.size()), settings_.batch_size)) {
    const PackedBatch batch = pack(model_.context(), dev_, which, 0, kDevDraw);
    if (batch.target_count == 0) continue;
    sum += loss(batch, nn::Mode::evaluation(), 1.0).item();
    targets += batch.target_count;
  }
  LL_CHECK(targets > 0, "the dev text is too short to mask a token of");
  Evaluation e;
  const double mean = sum / static_cast<double>(targets);
  e.metrics["eval_loss"] = mean;
  e.metrics["eval_perplexity"] = std::exp(mean);
  e.score_name = "loss";
  e.score = -mean;
  return e;
}

}  // namespace lowland::apps
