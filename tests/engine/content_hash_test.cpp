// The oracle: digests that xxhsum 0.8 prints, and hashes of hashes made here part by part.
#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/error.h"
#include "engine/io/content_hash.h"

using namespace lowland;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("lowland-hash-{}", ::getpid());
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string put(const std::string& name, const std::string& content) const {
    std::ofstream(path / name, std::ios::binary) << content;
    return (path / name).string();
  }
};

std::string numbers(size_t bytes) {
  std::string text(bytes, '\0');
  uint32_t x = 1;
  for (char& c : text) c = static_cast<char>((x = x * 1664525u + 1013904223u) >> 24);
  return text;
}

std::string refusal(const std::string& path) {
  try {
    content_hash(path);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

std::string unhex(const std::string& digits) {
  std::string bytes;
  for (size_t i = 0; i < digits.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  return bytes;
}

}  // namespace

TEST_CASE("content_hash: known digests, and files as bytes") {
  CHECK(content_hash_of("") == "99aa06d3014798d86001c324468d497f");
  CHECK(content_hash_of("lowland") == "409985fc575df08d26f4f4786999f8dc");
  const Folder folder;
  constexpr size_t kPart = size_t{16} << 20;
  const std::string all = numbers(2 * kPart + 12345);
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{240}, size_t{241}, (size_t{1} << 20) + 1, kPart, kPart + 1, 2 * kPart, all.size()})
    CHECK(content_hash(folder.put(fmt::format("f{}", size), all.substr(0, size))) ==
          content_hash_of(all.substr(0, size)));
  std::string parts;
  for (size_t at = 0; at < all.size(); at += kPart) parts += unhex(content_hash_of(all.substr(at, kPart)));
  CHECK(content_hash_of(all) == content_hash_of(parts));
}

TEST_CASE("content_hash: one flipped bit, and a file that changes between two calls") {
  const Folder folder;
  std::string text = numbers(3'000'000);
  const std::string path = folder.put("f", text), before = content_hash(path);
  for (const size_t at : {size_t{0}, size_t{1'500'000}, text.size() - 1}) {
    text[at] = static_cast<char>(text[at] ^ 16);
    folder.put("f", text);  // same path, same size, perhaps the same time
    CHECK(content_hash(path) != before);
    text[at] = static_cast<char>(text[at] ^ 16);
  }
  folder.put("f", text);
  CHECK(content_hash(path) == before);
  const auto old = fs::file_time_type::clock::now() - std::chrono::hours(1);
  fs::last_write_time(path, old);
  CHECK(content_hash(path) == before);
  text[7] = '!';
  folder.put("f", text);
  fs::last_write_time(path, old + std::chrono::seconds(1));
  CHECK(content_hash(path) == content_hash_of(text));
  CHECK(content_hash(path) == content_hash_of(text));  // remembered
}

TEST_CASE("content_hash: what is no file is refused") {
  const Folder folder;
  const std::string fifo = (folder.path / "fifo").string();
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(refusal(fifo) == "cannot read " + fifo + ": it is not a file");
  CHECK(refusal(folder.path.string()) == "cannot read " + folder.path.string() + ": it is not a file");
  CHECK(refusal("/no/such") == "cannot read /no/such: No such file or directory");
}
