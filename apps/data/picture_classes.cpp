#include "apps/data/picture_classes.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "apps/data/hold_out.h"
#include "apps/data/picture_files.h"
#include "apps/data/task.h"
#include "engine/error.h"

namespace lowland {
namespace {

namespace fs = std::filesystem;

// Names of the entries, sorted. Hidden ones are left out.
std::vector<std::string> entries(const fs::path& folder, bool directories) {
  std::vector<std::string> out;
  for (const fs::directory_entry& e : fs::directory_iterator(folder)) {
    const std::string name = e.path().filename().string();
    if (name[0] != '.' && e.is_directory() == directories) out.push_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool is_picture(const std::string& name) {
  const std::string suffix = to_lower(fs::path(name).extension().string());
  const char* const known[] = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp"};
  return std::find(std::begin(known), std::end(known), suffix) != std::end(known);
}

std::optional<fs::path> split_folder(const fs::path& root, const std::vector<const char*>& names) {
  for (const char* name : names) {
    if (fs::is_directory(root / name)) return root / name;
  }
  return {};
}

std::vector<LabelledPicture> read_split(const fs::path& folder, const std::vector<std::string>& classes) {
  std::vector<LabelledPicture> out;
  for (const std::string& name : entries(folder, true)) {
    const auto at = std::find(classes.begin(), classes.end(), name);
    LL_CHECK(at != classes.end(), "{}: there is no class `{}` in training, only {}", (folder / name).string(), name,
             fmt::join(classes, ", "));
    const size_t before = out.size();
    for (const std::string& file : entries(folder / name, false))
      if (is_picture(file)) out.push_back({(folder / name / file).string(), static_cast<int>(at - classes.begin())});
    LL_CHECK(out.size() > before, "{} has no picture (.jpg, .png, .webp, .gif, .tif, .bmp)", (folder / name).string());
  }
  LL_CHECK(!out.empty(), "{} has no directory of a class", folder.string());
  return out;
}

// The first of each class in turn, so that a small sample has all of them; in the order of the split.
void keep_some(std::vector<LabelledPicture>& pictures, int64_t most) {
  LL_CHECK(most >= 0, "--max-train-samples and --max-eval-samples must be at least 0, got {}", most);
  if (most == 0 || most >= std::ssize(pictures)) return;
  std::map<int, int64_t> seen;
  std::vector<std::pair<int64_t, size_t>> order;  // place in its class, place in the split
  for (size_t i = 0; i < pictures.size(); ++i) order.emplace_back(seen[pictures[i].label]++, i);
  std::sort(order.begin(), order.end());
  std::vector<bool> wanted(pictures.size(), false);
  for (int64_t i = 0; i < most; ++i) wanted[order[i].second] = true;
  pictures = move_marked(pictures, wanted);
}

void skip_bad(PictureClasses& set, int threads) {
  std::string first;
  for (auto* split : {&set.train, &set.dev, &set.test}) {
    std::vector<std::string> files;
    for (const LabelledPicture& p : *split) files.push_back(p.file);
    const auto bad = unreadable_pictures(std::move(files), threads);
    if (!bad.empty() && first.empty()) first = bad.begin()->second;
    set.skipped += std::erase_if(*split, [&](const LabelledPicture& p) { return bad.contains(p.file); });
  }
  if (set.skipped > 0)
    set.skip_reason = fmt::format("{} {} be read (first: {})", set.skipped,
                                  set.skipped == 1 ? "picture cannot" : "pictures cannot", first);
}

}  // namespace

PictureClasses load_picture_classes(const std::string& root, const PictureClassOptions& o) {
  LL_CHECK(fs::is_directory(root), "{} is not a folder of pictures by class", root);
  const auto train = split_folder(root, {"train"}), dev = split_folder(root, {"dev", "val", "valid", "validation"}),
             test = split_folder(root, {"test"});
  const fs::path learnt = train || dev || test ? train.value_or(fs::path(root) / "train") : fs::path(root);
  PictureClasses set;
  set.classes = o.classes;
  const bool carve = !dev && (o.train || o.dev);
  if (o.train || carve || set.classes.empty()) LL_CHECK(fs::is_directory(learnt), "{} does not exist", learnt.string());
  if (set.classes.empty()) set.classes = entries(learnt, true);
  LL_CHECK(set.classes.size() > 1, "{} needs at least two directories, one per class, and has {}", learnt.string(),
           set.classes.size());
  if (o.train || carve) set.train = read_split(learnt, set.classes);
  if (carve && o.dev_fraction != 0) {
    std::vector<int> labels;
    for (const LabelledPicture& p : set.train) labels.push_back(p.label);
    set.dev = move_marked(set.train, draw_by_label(labels, o.dev_fraction, o.seed));
  }
  if (o.dev && !carve) set.dev = read_split(*dev, set.classes);
  if (o.test) {
    LL_CHECK(test.has_value(), "{} has no folder test", root);
    set.test = read_split(*test, set.classes);
  }
  if (!o.train) set.train.clear();
  if (!o.dev) set.dev.clear();
  keep_some(set.train, o.max_train_samples);
  keep_some(set.dev, o.max_eval_samples);
  keep_some(set.test, o.max_eval_samples);
  if (o.skip_bad_images) skip_bad(set, o.threads);
  return set;
}

}  // namespace lowland
