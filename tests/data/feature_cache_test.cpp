#include "apps/data/feature_cache.h"

#include <algorithm>

#include "engine/io/content_hash.h"
#include "tests/data/temp_folder.h"

using namespace lowland;
using namespace lowland::apps;
using namespace lowland::test;

namespace {

// A tower that counts: row r of picture p is p + r / 10 in all columns.
struct FakeTower {
  Context context;
  int64_t calls = 0, pictures = 0;
  FeatureKey key{"shorter side 4", "weights 1", 2, 3, DType::f32};

  Tensor features(std::span<const size_t> which) {
    std::vector<float> values;
    for (const size_t p : which)
      for (int64_t i = 0; i < key.rows * key.width; ++i)
        values.push_back(static_cast<float>(p) + static_cast<float>(i / key.width) / 10);
    ++calls;
    pictures += std::ssize(which);
    const auto rows = std::ssize(which) * key.rows;
    return Tensor::from<float>(context, {rows, key.width}, values);
  }
  std::vector<float> get(FeatureCache& cache, const std::vector<std::string>& hashes) {
    return cache.get(context, hashes, [&](std::span<const size_t> which) { return features(which); })
        .to_vector<float>();
  }
};

std::string refusal(const std::string& folder, const FeatureKey& key) {
  return error_of([&] { FeatureCache cache(folder, key); });
}

}  // namespace

TEST_CASE("feature cache: each content is computed once, and comes back to the bit in any order") {
  const TempFolder folder;
  FakeTower tower;
  const std::string a = content_hash_of("a"), b = content_hash_of("b"), c = content_hash_of("c");
  std::vector<float> first;
  {
    FeatureCache cache(folder.path("features"), tower.key);
    first = tower.get(cache, {a, b, a});
    CHECK(tower.pictures == 2);
    CHECK(first.size() == 18);
    CHECK(std::equal(first.begin(), first.begin() + 6, first.begin() + 12));
    CHECK(tower.get(cache, {b, a}).size() == 12);
    CHECK(tower.calls == 1);
    cache.flush();
    cache.flush();
    CHECK(tower.get(cache, {a, b, a}) == first);
  }
  FeatureCache cache(folder.path("features"), tower.key);
  CHECK(cache.pictures() == 2);
  CHECK(cache.contains(a));
  CHECK(!cache.contains(c));
  CHECK(tower.get(cache, {a, b, a}) == first);
  CHECK(tower.calls == 1);
  tower.get(cache, {a, c, b, c});
  CHECK(tower.pictures == 3);
  CHECK(cache.computed() == 1);
  cache.flush();
  CHECK(FeatureCache(folder.path("features"), tower.key).pictures() == 3);
  CHECK(tower.get(cache, {}).empty());
}

TEST_CASE("feature cache: bf16 features keep their bits") {
  const TempFolder folder;
  FakeTower tower;
  tower.key.dtype = DType::bf16;
  const std::vector<std::string> hashes{content_hash_of("x"), content_hash_of("y")};
  const auto compute = [&](std::span<const size_t> which) { return tower.features(which).to(DType::bf16); };
  FeatureCache cache(folder.path(), tower.key);
  const std::vector<float> made = cache.get(tower.context, hashes, compute).to(DType::f32).to_vector<float>();
  cache.flush();
  FeatureCache again(folder.path(), tower.key);
  CHECK(again.get(tower.context, hashes, compute).to(DType::f32).to_vector<float>() == made);
  CHECK(again.computed() == 0);
}

TEST_CASE("feature cache: features of other settings are refused in one sentence") {
  const TempFolder folder;
  FakeTower tower;
  {
    FeatureCache cache(folder.path(), tower.key);
    tower.get(cache, {content_hash_of("a")});
    cache.flush();
  }
  FeatureKey other = tower.key;
  other.processor = "shorter side 8";
  CHECK(contains(refusal(folder.path(), other), "made with another processor (shorter side 4; now shorter side 8)"));
  CHECK(contains(refusal(folder.path(), other), "give --cache-features another folder, or remove this one"));
  other = tower.key;
  other.tower = "weights 2";
  CHECK(contains(refusal(folder.path(), other), "another tower"));
  other = tower.key;
  other.rows = 4;
  CHECK(contains(refusal(folder.path(), other), "another shape ((2,3); now (4,3))"));
  other = tower.key;
  other.dtype = DType::bf16;
  CHECK(contains(refusal(folder.path(), other), "another dtype (F32; now BF16)"));
  CHECK(refusal(folder.path(), tower.key) == "no error");
  const std::string file = folder.write("plain", "");
  CHECK(contains(refusal(file, tower.key), "is not a folder for features"));
}

TEST_CASE("feature cache: damaged files, and a tower that gives something else") {
  const TempFolder folder;
  FakeTower tower;
  FeatureCache cache(folder.path("a"), tower.key);
  const std::vector<std::string> one{content_hash_of("a")};
  CHECK(contains(error_of([&] {
                   cache.get(tower.context, one, [&](std::span<const size_t>) {
                     return Tensor::zeros(tower.context, {3, 3}, DType::f32);
                   });
                 }),
                 "features of 1 pictures must be (2,3)"));
  CHECK(!cache.contains(one[0]));
  folder.write("b/features-0.safetensors", "no such thing");
  CHECK(contains(refusal(folder.path("b"), tower.key), "features-0.safetensors"));
  folder.write("c/notes.txt", "other files do not matter");
  CHECK(refusal(folder.path("c"), tower.key) == "no error");
}

TEST_CASE("feature cache: hashes differ with any byte and length, and follow the content") {
  const TempFolder folder;
  CHECK(content_hash_of("").size() == 32);
  std::vector<std::string> hashes;
  for (const size_t zeros : {0, 1, 8, 9}) hashes.push_back(content_hash_of(std::string(zeros, '\0')));
  std::string text(40, 'x');
  hashes.push_back(content_hash_of(text));
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = 'y';
    hashes.push_back(content_hash_of(changed));
  }
  std::sort(hashes.begin(), hashes.end());
  CHECK(std::adjacent_find(hashes.begin(), hashes.end()) == hashes.end());
  FakeTower tower;
  FeatureCache cache(folder.path("cache"), tower.key);
  CHECK(cache.hash_of(folder.write("a.jpg", "same")) == cache.hash_of(folder.write("b.jpg", "same")));
  CHECK(cache.hash_of(folder.path("a.jpg")) == content_hash_of("same"));
  const Tensor w = Tensor::from<float>(tower.context, {2, 2}, {1, 2, 3, 4});
  const Tensor v = Tensor::from<float>(tower.context, {2, 2}, {1, 2, 3, 5});
  CHECK(tensors_hash({{"w", w}}) == tensors_hash({{"w", w.clone()}}));
  CHECK(tensors_hash({{"w", w}}) != tensors_hash({{"w", v}}));
  CHECK(tensors_hash({{"w", w}}) != tensors_hash({{"u", w}}));
  CHECK(tensors_hash({{"w", w}}) != tensors_hash({{"w", w.reshape({4})}}));
}

TEST_CASE("feature cache: any flipped bit is told with its file") {
  const TempFolder folder;
  FakeTower tower;
  const std::string a = content_hash_of("a");
  {
    FeatureCache cache(folder.path(), tower.key);
    tower.get(cache, {a});
    cache.flush();
  }
  const std::string file = std::filesystem::directory_iterator(folder.path())->path().string();
  const std::string whole = read_file(file);
  int untold = 0;
  for (size_t bit = 0; bit < 8 * whole.size(); bit += 3) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    write_file_atomically(file, damaged);
    const std::string told = error_of([&] {
      FeatureCache cache(folder.path(), tower.key);
      if (cache.contains(a)) tower.get(cache, {a});
    });
    const bool named = contains(told, file) || contains(told, "made with another features_format") ||
                       contains(told, "made with another");
    untold += named ? 0 : 1;
  }
  CHECK(untold == 0);
}
