// The published pictures and questions: their counts, through the readers that users have.
#include <cstdlib>

#include "apps/data/load_questions.h"
#include "apps/data/picture_classes.h"
#include "apps/data/picture_files.h"
#include "tests/data/temp_folder.h"
#include "tests/shared_data.h"

using namespace lowland;
using namespace lowland::test;

namespace {

// Unpacks a .tar of the shared pictures, or the files in it that a pattern fits.
std::string unpacked(const TempFolder& folder, const std::string& name, const std::string& pattern = "*") {
  const std::string tar = shared_data() / "images" / (name + ".tar");
  REQUIRE(std::system(fmt::format("tar xf '{}' -C '{}' --wildcards '{}'", tar, folder.path(), pattern).c_str()) == 0);
  return folder.path(name);
}

}  // namespace

TEST_CASE("shared: easy-VQA by way of question files" * doctest::skip(lacks("images/easy-vqa.tar"))) {
  const TempFolder folder;
  const std::string root = unpacked(folder, "easy-vqa");
  const std::string script = LL_SOURCE_DIR "/apps/data/easy_vqa.sh";
  REQUIRE(std::system(fmt::format("bash '{}' '{}' '{}'", script, root, root).c_str()) == 0);
  QuestionOptions options;
  options.train_files = {root + "/train.jsonl"};
  options.test_file = root + "/test.jsonl";
  options.test = true;
  const QuestionSet set = load_questions("vqa", options);
  CHECK(set.train.questions.size() + set.dev.questions.size() == 38575);
  CHECK(set.dev.questions.size() >= 3858);
  CHECK(set.dev.questions.size() < 3900);
  CHECK(set.test.questions.size() == 9673);
  CHECK(set.metric == "exact_match");
  const Question& first = set.test.questions.front();
  CHECK(first.messages.size() == 2);
  CHECK(first.messages[0].content.starts_with("<image>\n"));
  const Image picture = read_picture(first.images.at(0), first.where);
  CHECK(picture.width == 64);
  CHECK(picture.height == 64);
}

TEST_CASE("shared: CIFAR-10 by class, every tenth picture" * doctest::skip(lacks("images/cifar10-jpg.tar"))) {
  const TempFolder folder;
  const std::string root = unpacked(folder, "cifar10-jpg", "*0.jpg");
  const PictureClasses set = load_picture_classes(root, {.test = true, .max_eval_samples = 25});
  CHECK(set.classes.size() == 10);
  CHECK(set.classes[0] == "airplane");
  CHECK(set.train.size() == 900);
  CHECK(set.dev.size() == 25);
  REQUIRE(set.test.size() == 25);
  CHECK(set.test.back().label == 9);
}

TEST_CASE("shared: Flickr8k's captions, every picture whole" * doctest::skip(lacks("images/flickr8k-1000.tar"))) {
  const TempFolder folder;
  const std::string root = unpacked(folder, "flickr8k-1000");
  QuestionOptions options;
  options.train_files = {root + "/captions.csv"};
  std::filesystem::copy_file(root + "/captions.txt", options.train_files[0]);
  options.images = root + "/images";
  options.skip_bad_images = true;
  options.threads = 2;
  const QuestionSet set = load_questions("captions", options);
  CHECK(set.train.questions.size() == 4500);
  CHECK(set.dev.questions.size() == 500);
  CHECK(set.train.skipped + set.dev.skipped == 0);
  CHECK(set.metric == "loss");
}
