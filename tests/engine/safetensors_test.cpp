#include <doctest/doctest.h>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "engine/error.h"
#include "engine/io/disk.h"
#include "kernels/common/half.h"
#include "engine/io/safetensors_writer.h"

using namespace lowland;
namespace fs = std::filesystem;

namespace {

// A folder of its own for each test, removed at the end.
struct Folder {
  std::string path;
  Folder() {
    static int number = 0;
    path = (fs::temp_directory_path() / fmt::format("lowland-safetensors-{}-{}", ::getpid(), number++)).string();
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
  size_t entries() const { return static_cast<size_t>(std::distance(fs::directory_iterator(path), {})); }
};

std::string with_header(const std::string& header, const std::string& data) {
  const uint64_t n = header.size();
  return std::string(reinterpret_cast<const char*>(&n), 8) + header + data;
}

// What SafetensorsFile says to a file of this content; empty if it takes it.
std::string complaint(const std::string& content) {
  const Folder folder;
  write_file_atomically(folder / "x.safetensors", content);
  try {
    const SafetensorsFile file(folder / "x.safetensors");
  } catch (const Error& e) {
    std::string text = e.what();
    const size_t at = text.find(folder.path);
    CHECK(at != std::string::npos);  // the file is named
    return text.replace(at, folder.path.size(), "DIR");
  }
  return "";
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape, int begin, int end) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", name, dtype, shape, begin, end);
}

Context& cpu() {
  static Context context;
  return context;
}

}  // namespace

TEST_CASE("half: every value goes to float and back; rounding is to nearest, ties to even") {
  for (uint32_t h = 0; h < 65536; ++h) {
    const float x = half_to_float(static_cast<uint16_t>(h));
    if (std::isnan(x)) {
      CHECK(std::isnan(half_to_float(float_to_half(x))));
      continue;
    }
    if (float_to_half(x) != h) CHECK_MESSAGE(false, "half " << h);
    // Between two neighbours: the even one from the middle, the nearer one from a little off it.
    if ((h & 0x7fffu) >= 0x7bffu) continue;
    const float next = half_to_float(static_cast<uint16_t>(h + 1));
    const float middle = 0.5f * (x + next);
    const uint32_t even = (h & 1u) ? h + 1 : h;
    if (float_to_half(middle) != even) CHECK_MESSAGE(false, "middle above half " << h);
    if (float_to_half(std::nextafter(middle, x)) != h) CHECK_MESSAGE(false, "below the middle above half " << h);
    if (float_to_half(std::nextafter(middle, next)) != h + 1) CHECK_MESSAGE(false, "above the middle above half " << h);
  }
  CHECK(half_to_float(0x3c00) == 1.0f);
  CHECK(half_to_float(0x0001) == 0x1p-24f);
  CHECK(float_to_half(65504.0f) == 0x7bff);
  CHECK(float_to_half(65519.9f) == 0x7bff);
  CHECK(float_to_half(65520.0f) == 0x7c00);
  CHECK(float_to_half(-1e30f) == 0xfc00);
}

TEST_CASE("safetensors: what is written is read, in every dtype") {
  const Folder folder;
  const std::string path = folder / "all.safetensors";
  const std::vector<float> values{0.0f, -1.5f, 3.25f, 1e-3f, 65504.0f, 7.0f};
  std::vector<NamedTensor> tensors;
  const Tensor x = Tensor::from<float>(cpu(), {2, 3}, values);
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::i32, DType::i64}) {
    tensors.emplace_back(name_of(dtype), x.to(dtype));
  }
  tensors.emplace_back("scalar", Tensor::from<float>(cpu(), {}, {2.0f}));
  save_safetensors(path, tensors);
  const SafetensorsFile file(path);
  CHECK(file.metadata().at("format") == "pt");
  CHECK(file.tensors().size() == 6);
  CHECK(file.info("scalar").shape.empty());
  for (const auto& [name, written] : tensors) {
    const Tensor read = file.load(cpu(), name, written.dtype());
    CHECK(read.shape() == written.shape());
    CHECK(std::memcmp(read.raw(), written.raw(), read.nbytes()) == 0);
  }
  for (const DType to : {DType::f32, DType::f64, DType::bf16}) {
    for (const DType from : {DType::f32, DType::f64, DType::bf16}) {
      const Tensor read = Tensor::empty(cpu(), {2, 3}, to), expected = x.to(from).to(to);
      file.read_into(name_of(from), read);
      CHECK(std::memcmp(read.raw(), expected.raw(), read.nbytes()) == 0);
    }
  }
  const Tensor wide = Tensor::empty(cpu(), {2, 3}, DType::i64);
  file.read_into("i32", wide);
  CHECK(wide.data<int64_t>()[2] == 3);
}

TEST_CASE("safetensors: errors of use name file, tensor and shapes") {
  const Folder folder;
  const std::string path = folder / "x.safetensors";
  write_file_atomically(path, with_header("{" + entry("w", "F32", "[2]", 0, 8) + "," + entry("q", "I4", "[4]", 8, 10) +
                                              "," + entry("n", "I64", "[1]", 10, 18) + "}",
                                          std::string(18, '\1')));
  const SafetensorsFile file(path);
  const Tensor three = Tensor::zeros(cpu(), {3}, DType::f32), four = Tensor::zeros(cpu(), {4}, DType::f32);
  const auto says = [&](const std::string& name, const Tensor& into) {
    try {
      file.read_into(name, into);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(says("absent", three) == path + " has no tensor `absent`");
  CHECK(says("w", three) == "tensor `w` of " + path + " has shape (2) where (3) is needed");
  CHECK(says("q", four) == "tensor `q` of " + path + " has dtype I4, which cannot be read as f32");
  CHECK(says("n", Tensor::zeros(cpu(), {1}, DType::i32)).find("I64, which cannot be read as i32") != std::string::npos);
  CHECK(says("n", Tensor::zeros(cpu(), {1}, DType::f32)).find("I64, which cannot be read as f32") != std::string::npos);
}

TEST_CASE("safetensors: a borrowed tensor is the file's memory, and outlives the reader") {
  const Folder folder;
  const std::string path = folder / "x.safetensors";
  Tensor borrowed;
  {
    save_safetensors(path, {{"w", Tensor::from<float>(cpu(), {2}, {1.0f, 2.0f})}});
    const SafetensorsFile file(path);
    borrowed = file.borrow(cpu(), "w", DType::f32);
    CHECK(borrowed.raw() == file.bytes("w").data());
    CHECK(!file.borrow(cpu(), "w", DType::f64));
  }
  fs::remove(path);
  CHECK(borrowed.to_vector<float>() == std::vector<float>{1.0f, 2.0f});
  // An unpadded header leaves the data unaligned: read by copy.
  std::string header = "{" + entry("w", "F32", "[1]", 0, 4) + "}";
  while (header.size() % 4 != 1) header += ' ';
  const float value = 5;
  write_file_atomically(path, with_header(header, std::string(reinterpret_cast<const char*>(&value), 4)));
  const SafetensorsFile file(path);
  CHECK(!file.borrow(cpu(), "w", DType::f32));
  CHECK(file.load(cpu(), "w", DType::f32).item() == 5);
}

TEST_CASE("safetensors: a broken file is refused in one sentence") {
  const std::string bad = "DIR/x.safetensors is not a valid safetensors file: ";
  const std::string eight(8, '\0');
  CHECK(complaint("{" + entry("w", "F32", "[2]", 0, 8) + "}") != "");
  CHECK(complaint("abc") ==
        "DIR/x.safetensors is not a safetensors file: it has 3 bytes, the header's length alone takes 8");
  CHECK(complaint("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n") ==
        "DIR/x.safetensors is a Git LFS pointer, not the file itself: `git lfs pull` fetches that");
  CHECK(complaint(std::string(7, '\0') + "\1{}").find("more than the 100000000 allowed") != std::string::npos);
  CHECK(complaint("\x40" + std::string(7, '\0') + "{}") ==
        bad + "its header has 64 bytes, but only 2 follow (is the file cut off?)");
  CHECK(complaint(with_header("", "")) == bad + "its header is not JSON");
  CHECK(complaint(with_header("[1]", "")) == bad + "its header is not JSON");
  CHECK(complaint(with_header("{\"a\":", "")) == bad + "its header is not JSON");
  CHECK(complaint(with_header("{\"\xff\":1}", "")) == bad + "its header is not JSON");
  CHECK(complaint(with_header("{\"w\":1}", "")) == bad + "tensor `w` has no dtype, shape and data_offsets");
  CHECK(complaint(with_header("{" + entry("w", "F32", "[-2]", 0, 8) + "}", eight)) ==
        bad + "tensor `w` has a shape that is not a list of sizes");
  CHECK(complaint(with_header("{" + entry("w", "F32", "[2]", 8, 0) + "}", eight)) ==
        bad + "tensor `w` has data_offsets that are not [begin, end]");
  CHECK(complaint(with_header("{" + entry("w", "F32", "[2]", 0, 8) + "}", "1234")) ==
        bad + "tensor `w` ends at byte 8 of the data, which has 4 (is the file cut off?)");
  CHECK(complaint(with_header("{" + entry("w", "F32", "[3]", 0, 8) + "}", eight)) ==
        bad + "tensor `w` of shape (3) and dtype F32 has 8 bytes");
  CHECK(
      complaint(with_header("{" + entry("w", "F32", "[4611686018427387904,4611686018427387904]", 0, 8) + "}", eight)) ==
      bad + "tensor `w` of shape (4611686018427387904,4611686018427387904) and dtype F32 has 8 bytes");
  CHECK(complaint(with_header("{" + entry("w", "F32", "[4611686018427387904,4,1]", 0, 0) + "}", "")) ==
        bad + "tensor `w` of shape (4611686018427387904,4,1) and dtype F32 has 0 bytes");
  CHECK(complaint(
            with_header("{" + entry("v", "F32", "[1]", 0, 4) + "," + entry("w", "F32", "[1]", 2, 6) + "}", "123456")) ==
        bad + "tensor `w` begins at byte 2 of the data where 4 is next: tensors overlap");
  CHECK(complaint(with_header("{" + entry("v", "F32", "[1]", 0, 4) + "," + entry("w", "F32", "[1]", 8, 12) + "}",
                              "123456789012")) ==
        bad + "tensor `w` begins at byte 8 of the data where 4 is next: tensors leave a gap");
  CHECK(complaint(with_header("{" + entry("w", "F32", "[1]", 0, 4) + "}", eight)) ==
        bad + "4 bytes follow the last tensor");
  CHECK(complaint(with_header("{" + entry("w", "F32", "[1]", 0, 4) + "," + entry("w", "F32", "[1]", 4, 8) + "}",
                              eight)) == bad + "its header has `w` twice");
  CHECK(complaint(with_header(R"({"__metadata__":{"a":1}})", "")) ==
        bad + "its __metadata__ entry `a` is not a string");
  CHECK(complaint(with_header(R"({"__metadata__":null,)" + entry("w", "F32", "[2]", 0, 8) + "}", eight)) == "");
  CHECK(complaint(with_header(R"({"__metadata__":{},)" + entry("e", "F32", "[0,3]", 0, 0) + "}  ", "")) == "");
  CHECK_THROWS_WITH_AS(SafetensorsFile("/nonexistent/x"), "cannot open /nonexistent/x: No such file or directory",
                       Error);
  CHECK_THROWS_WITH_AS(SafetensorsFile("/tmp"), "cannot open /tmp: it is not a file", Error);
}

TEST_CASE("safetensors: the writer refuses what readers stumble over, and leaves nothing behind") {
  const Folder folder;
  const std::string path = folder / "x.safetensors";
  const Tensor one = Tensor::from<float>(cpu(), {1}, {1.0f});
  CHECK_THROWS_AS(save_safetensors(path, {{"w", Tensor::zeros(cpu(), {0, 3}, DType::f32)}}), Error);
  CHECK_THROWS_AS(save_safetensors(path, {{"w", one}, {"w", one}}), Error);
  CHECK_THROWS_AS(save_safetensors(path, {{"w", Tensor()}}), Error);
  {
    SafetensorsWriter writer(path, {{"w", "F32", {1}, 0, 0}});
    CHECK_THROWS_AS(writer.finish(), Error);
    CHECK_THROWS_AS(writer.append("v", one), Error);
    CHECK_THROWS_AS(writer.append("w", Tensor::zeros(cpu(), {2}, DType::f32)), Error);
  }
  CHECK(folder.entries() == 0);
  CHECK_THROWS_WITH_AS(save_safetensors("/nonexistent/x", {{"w", one}}),
                       "cannot write /nonexistent/x: No such file or directory", Error);
  CHECK_THROWS_WITH_AS(save_safetensors(folder.path, {{"w", one}}),
                       ("cannot write " + folder.path + ": it is a folder").c_str(), Error);
}

TEST_CASE("safetensors: the writer rounds to f16 and bf16 once") {
  const Folder folder;
  const std::string path = folder / "x.safetensors";
  const int64_t n = (1 << 18) + 7;  // more than one piece of the conversion
  const Tensor x = Tensor::empty(cpu(), {n}, DType::f32);
  for (int64_t i = 0; i < n; ++i) x.data<float>()[i] = std::sin(static_cast<float>(i)) * 3.0f;
  SafetensorsWriter writer(path, {{"a", "F16", {n}, 0, 0}, {"b", "BF16", {n}, 0, 0}});
  for (const TensorInfo& t : writer.plan()) writer.append(t.name, x);
  writer.finish();
  const SafetensorsFile file(path);
  const Tensor half = file.load(cpu(), "a", DType::f32), brain = file.load(cpu(), "b", DType::bf16),
               b = x.to(DType::bf16);
  for (int64_t i = 0; i < n; ++i) {
    if (half.data<float>()[i] != half_to_float(float_to_half(x.data<float>()[i]))) CHECK_MESSAGE(false, "half " << i);
  }
  CHECK(std::memcmp(brain.raw(), b.raw(), b.nbytes()) == 0);
}

TEST_CASE("atomic files: a full disk is one sentence, and the old content stays") {
  const Folder folder;
  write_file_atomically(folder / "f", "old");
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  std::string text;
  try {
    write_file_atomically(folder / "f", std::string(10000, 'x'));
  } catch (const Error& e) {
    text = e.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  CHECK(text == "cannot write " + (folder / "f") + ": File too large");
  CHECK(read_file(folder / "f") == "old");
  CHECK(folder.entries() == 1);
  CHECK_THROWS_AS(read_file(folder / "f", 2), Error);
}

TEST_CASE("atomic folders: whole or not at all; stale temporaries go, live ones stay") {
  const Folder folder;
  const std::string path = folder / "deep/checkpoint-1/";
  {
    AtomicDirectory unfinished(path);
    write_file_atomically(unfinished.temporary() + "/a", "1");
  }
  CHECK(fs::is_empty(folder / "deep"));
  for (const char* content : {"first", "second"}) {  // the second replaces the first
    AtomicDirectory directory(path);
    fs::create_directories(directory.temporary() + "/sub");
    write_file_atomically(directory.temporary() + "/sub/a", content);
    directory.commit();
    CHECK(read_file(path + "sub/a") == content);
  }
  CHECK(std::distance(fs::directory_iterator(folder / "deep"), {}) == 1);
  AtomicDirectory live(folder / "deep/live");
  fs::create_directories(folder / "deep/.lowland-tmp.dead.1.0/sub");
  write_file_atomically(folder / "deep/.lowland-tmp.dead.1.0/sub/a", "left by a crash");
  remove_stale_temporaries(folder / "deep");
  CHECK(fs::exists(live.temporary()));
  CHECK(!fs::exists(folder / "deep/.lowland-tmp.dead.1.0"));
}

TEST_CASE("atomic files and folders: those who clean up beside a writer take nothing of its") {
  const Folder folder;
  const pid_t cleaner = fork();
  REQUIRE(cleaner >= 0);
  if (cleaner == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // where a check throws, nobody is left who would end it
    for (;;) remove_stale_temporaries(folder / "");
  }
  bool whole = true;
  for (int i = 0; i < 400 && whole; ++i) {
    AtomicDirectory directory(folder / "made");
    write_file_atomically(directory.temporary() + "/a", "1");
    directory.commit();
    write_file_atomically(folder / "f", std::to_string(i));
    whole = read_file(folder / "made/a") == "1" && read_file(folder / "f") == std::to_string(i);
  }
  kill(cleaner, SIGKILL);
  waitpid(cleaner, nullptr, 0);
  CHECK(whole);
  remove_stale_temporaries(folder / "");
  CHECK(folder.entries() == 2);
}

TEST_CASE("atomic files and folders: what is removed is gone under its name") {
  const Folder folder;
  fs::create_directories(folder / "deep/er");
  write_file_atomically(folder / "deep/er/a", "1");
  write_file_atomically(folder / "f", "1");
  for (const char* name : {"deep/", "f", "absent"}) remove_atomically(folder / name);
  CHECK(fs::is_empty(folder / ""));
}
