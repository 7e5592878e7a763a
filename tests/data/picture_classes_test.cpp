#include "apps/data/picture_classes.h"

#include <fstream>
#include <sstream>

#include "tests/data/temp_folder.h"

using namespace lowland;
using namespace lowland::test;

namespace {

std::string picture_bytes() {
  std::ifstream file(LL_SOURCE_DIR "/tests/golden/images/dot.png", std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_class(const TempFolder& folder, const std::string& name, int pictures) {
  for (int i = 0; i < pictures; ++i) folder.write(fmt::format("{}/{}.png", name, i), picture_bytes());
}

}  // namespace

TEST_CASE("picture classes: a directory each, sorted; a stratified share is held out") {
  const TempFolder folder;
  for (const char* name : {"dog", "cat"}) write_class(folder, name, 10);
  folder.write("cat/note.txt", "no picture");
  folder.write("cat/last.JPEG", "not looked into");
  folder.write("README", "nor this");
  const PictureClasses set = load_picture_classes(folder.path(), {});
  CHECK(set.classes == std::vector<std::string>{"cat", "dog"});
  CHECK(set.train.size() == 19);
  CHECK(set.dev.size() == 2);
  CHECK(set.dev[0].label == 0);
  CHECK(set.dev[1].label == 1);
  CHECK(load_picture_classes(folder.path(), {.dev_fraction = 0}).train.size() == 21);
  const PictureClasses few = load_picture_classes(folder.path(), {.max_train_samples = 4});
  REQUIRE(few.train.size() == 4);
  CHECK(few.train[1].label == 0);
  CHECK(few.train[2].label == 1);
  const PictureClasses good = load_picture_classes(folder.path(), {.skip_bad_images = true, .threads = 2});
  CHECK(good.train.size() + good.dev.size() == 20);
  CHECK(contains(good.skip_reason, "1 picture cannot be read (first: "));
  CHECK(contains(good.skip_reason, "last.JPEG is none of the pictures that are read"));
}

TEST_CASE("picture classes: folders of splits, and the classes of a trained model") {
  const TempFolder folder;
  for (const char* name : {"train/a", "train/b", "val/b", "test/a"}) write_class(folder, name, 2);
  const PictureClasses set = load_picture_classes(folder.path(), {.test = true});
  CHECK(set.train.size() == 4);
  CHECK(set.dev.size() == 2);
  CHECK(set.dev[0].label == 1);
  CHECK(set.test[0].label == 0);
  const PictureClasses known =
      load_picture_classes(folder.path(), {.train = false, .dev = false, .test = true, .classes = {"z", "a", "b"}});
  CHECK(known.test[0].label == 1);
  CHECK(known.train.empty());
  write_class(folder, "test/c", 1);
  CHECK(contains(error_of([&] { load_picture_classes(folder.path(), {.test = true}); }),
                 "test/c: there is no class `c` in training, only a, b"));
  std::filesystem::create_directories(folder.path("train/empty"));
  CHECK(contains(error_of([&] { load_picture_classes(folder.path(), {}); }), "train/empty has no picture"));
}

TEST_CASE("picture classes: what is refused") {
  const TempFolder folder;
  CHECK(contains(error_of([&] { load_picture_classes(folder.path("none"), {}); }), "is not a folder of pictures"));
  CHECK(contains(error_of([&] { load_picture_classes(folder.path(), {}); }), "needs at least two directories"));
  write_class(folder, "a", 2);
  CHECK(contains(error_of([&] { load_picture_classes(folder.path(), {}); }), "and has 1"));
  write_class(folder, "b", 2);
  CHECK(contains(error_of([&] { load_picture_classes(folder.path(), {.test = true}); }), "has no folder test"));
}
