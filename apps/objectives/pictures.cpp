#include "apps/objectives/pictures.h"

#include "apps/data/picture_files.h"
#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "models/images/load_pixels.h"

namespace lowland::apps {
namespace {

bool is_meta(const Context& context) { return context.device().type == DeviceType::meta; }

}  // namespace

void Pictures::open_cache(const Vlm& model) {
  if (cache_folder_.empty()) return;
  LL_CHECK(!model.tower().learns(), "--cache-features needs a frozen vision tower: what a trained one makes changes");
  std::vector<NamedTensor> tower;
  for (const auto& p : model.parameters().all())
    for (const nn::NamedRows& r : p->rows)
      if (r.name.starts_with(std::string(kVlmTower) + ".")) tower.emplace_back(r.name, p->stored(r.begin, r.end));
  const VlmConfig& config = model.config();
  FeatureKey key;
  key.processor = processor_.settings().describe();
  // Rounded weights are other weights: where they differ by --weights-dtype only, a refusal shows it.
  key.tower = fmt::format("{} layer {} in {}", tensors_hash(tower), config.vision_feature_layer,
                          name_of(tower.front().second.dtype()));
  key.rows = config.image_tokens();
  key.width = config.vision.hidden_size;
  key.dtype = model.dtype();
  cache_ = std::make_unique<FeatureCache>(cache_folder_, key);
}

std::vector<std::string> Pictures::paths() const {
  std::vector<std::string> out;
  for (const File& file : files_) out.push_back(file.path);
  return out;
}

bool Pictures::all_cached() const { return !cache_folder_.empty() && cached_pictures(cache_folder_) >= size(); }

size_t Pictures::waiting_bytes(const Vlm& model) const {
  if (cache_folder_.empty() || all_cached()) return 0;
  const VlmConfig& config = model.config();
  const auto features = static_cast<size_t>(size() * config.image_tokens() * config.vision.hidden_size);
  return std::min(features * size_of(model.dtype()), FeatureCache::kShardBytes);
}

int32_t Pictures::add(const std::string& file, const std::string& where) {
  const auto [at, fresh] = numbers_.try_emplace(file, static_cast<int32_t>(files_.size()));
  if (fresh) files_.push_back({file, where});
  return at->second;
}

Tensor Pictures::pixels(Context& context, const std::vector<int32_t>& which, const Change& change) const {
  const int64_t H = processor_.height(), W = processor_.width();
  if (is_meta(context)) return Tensor::empty(context, {static_cast<int64_t>(which.size()), 3, H, W}, DType::f32);
  const auto each = static_cast<size_t>(3 * H * W);
  std::vector<float> values(which.size() * each);
  for_each_picture(which.size(), threads_, [&](size_t i) {
    const File& f = files_[which[i]];
    processor_.process(read_picture(f.path, f.where), f.path, values.data() + i * each);
    if (change) change(i, values.data() + i * each);
  });
  const PhaseScope phase(context.memory(), "data");
  return Tensor::from<float>(context, {static_cast<int64_t>(which.size()), 3, H, W}, values);
}

Tensor Pictures::features(const Vlm& model, const std::vector<int32_t>& which) const {
  const NoGrad guard(model.context());
  const auto T = static_cast<int32_t>(model.config().image_tokens());
  if (is_meta(model.context()) && all_cached())
    return Tensor::empty(model.context(), {static_cast<int64_t>(which.size()) * T, model.config().vision.hidden_size},
                         model.dtype());
  const auto compute = [&](const std::vector<int32_t>& some) {  // (M T, CV)
    const auto M = static_cast<int64_t>(some.size());
    const Tensor all = pixels(model.context(), some);  // (M, 3, H, H)
    const auto of = [&](int64_t first, int64_t last) {
      const auto n = static_cast<size_t>(last - first);
      return model.features({all.slice_rows(first, last), std::vector<int32_t>(n), std::vector<int32_t>(n)},
                            nn::Mode::evaluation());
    };
    if (cache_folder_.empty()) return of(0, M);
    // What is kept must not depend on the pictures beside it (the last bits of a matrix product depend on its rows):
    // a run that goes on after a kill meets them in other company.
    const Tensor out = Tensor::empty(model.context(), {M * T, model.config().vision.hidden_size}, model.dtype());
    for (int64_t i = 0; i < M; ++i) out.slice_rows(i * T, (i + 1) * T).copy_from(of(i, i + 1));
    return out;
  };
  if (!cache_ || is_meta(model.context())) {  // each picture once: questions about one picture stand together
    std::map<int32_t, int32_t> place;
    std::vector<int32_t> once;
    for (const int32_t i : which)
      if (place.try_emplace(i, static_cast<int32_t>(once.size())).second) once.push_back(i);
    const Tensor some = compute(once);  // (M T, CV)
    if (once.size() == which.size()) return some;
    std::vector<int32_t> rows;
    for (const int32_t i : which)
      for (int32_t t = 0; t < T; ++t) rows.push_back(place.at(i) * T + t);
    const auto n = static_cast<int64_t>(rows.size());
    return ops::gather_rows(some, Tensor::from<int32_t>(model.context(), {n}, rows));  // (I T, CV)
  }
  std::vector<std::string> hashes;
  for (const int32_t i : which) hashes.push_back(cache_->hash_of(files_[i].path));
  return cache_->get(model.context(), hashes, [&](std::span<const size_t> places) {
    std::vector<int32_t> missing;
    for (const size_t p : places) missing.push_back(which[p]);
    return compute(missing);
  });
}

void Pictures::flush() const {
  if (cache_) cache_->flush();
}

}  // namespace lowland::apps
