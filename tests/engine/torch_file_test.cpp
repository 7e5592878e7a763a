// Files that torch wrote, against the same tensors in safetensors (tests/golden/make_torch_golden.py), and files that
// it never would.
#include <doctest/doctest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/safetensors.h"
#include "engine/io/torch_file.h"
#include "tests/engine/torch_writer.h"

using namespace lowland;
namespace fs = std::filesystem;

namespace {

const std::string kGolden = std::string(LL_SOURCE_DIR) + "/tests/golden/torch/";

struct TempFile {
  std::string path = (fs::temp_directory_path() / fmt::format("lowland-torch-{}.bin", ::getpid())).string();
  explicit TempFile(const std::string& content) { std::ofstream(path, std::ios::binary) << content; }
  ~TempFile() { fs::remove(path); }
};

// What is said of such a file, FILE for its name; empty if it is read.
std::string complaint(const std::string& content) {
  const TempFile file(content);
  try {
    const auto read = open_tensor_file(file.path);
    for (const TensorInfo& t : read->tensors()) CHECK(read->bytes(t.name).size() < (1u << 22));
  } catch (const Error& e) {
    std::string said = e.what();
    const size_t at = said.find(file.path);
    REQUIRE(at == 0);  // the file is named
    return said.replace(at, file.path.size(), "FILE");
  }
  return "";
}

std::string complaint_of(const std::string& value) { return complaint(torch_zip(pickle_of(value))); }

bool has(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return true;
  MESSAGE(text);
  return false;
}

Context& cpu() {
  static Context context;
  return context;
}

}  // namespace

TEST_CASE("torch_file: every tensor of what torch wrote, in each protocol and form") {
  int files = 0, tensors = 0;
  for (const auto& entry : fs::directory_iterator(kGolden)) {
    if (entry.path().extension() != ".bin") continue;
    const std::string path = entry.path().string();
    CAPTURE(path);
    const auto read = open_tensor_file(path);
    const SafetensorsFile expected(fs::path(path).replace_extension(".safetensors").string());
    CHECK(read->tensors().size() == expected.tensors().size());
    for (const TensorInfo& t : expected.tensors()) {
      CAPTURE(t.name);
      const TensorInfo& found = read->info(t.name);
      CHECK(found.dtype == t.dtype);
      CHECK(found.shape == t.shape);
      const TensorBytes a = read->bytes(t.name), b = expected.bytes(t.name);
      CHECK(a == b);
      ++tensors;
      if (file_dtype_of(DType::f32) != t.dtype) continue;
      CHECK(read->load(cpu(), t.name, DType::f32).to_vector<float>() ==
            expected.load(cpu(), t.name, DType::f32).to_vector<float>());
    }
    ++files;
  }
  CHECK(files == 13);
  CHECK(tensors > 120);
}

TEST_CASE("torch_file: contiguous tensors are read where they lie") {
  const TorchFile file(kGolden + "layouts.bin");
  const TensorBytes offset = file.bytes("offset");
  CHECK(file.info("offset").end - file.info("offset").begin == offset.size());
  CHECK(file.info("transposed").strides == std::vector<int64_t>{1, 10});
  CHECK(!file.borrow(cpu(), "permuted", DType::f32));
  const TorchFile dtypes(kGolden + "dtypes.bin");
  const Tensor borrowed = dtypes.borrow(cpu(), "float32", DType::f32);
  REQUIRE(borrowed.defined());
  CHECK(borrowed.raw() == dtypes.bytes("float32").data());
}

TEST_CASE("torch_file: small, zip64, and any name of the file") {
  const std::string good = pickle_of(tensor(storage("0", 6), 0, {2, 3}, {3, 1}));
  CHECK(complaint(torch_zip(good)) == "");
  CHECK(complaint(zip_of({{"a/data.pkl", good}, {"a/data/0", std::string(24, '\1')}}, true)) == "");
  CHECK(complaint_of(tensor(storage("0", 6, "IntStorage"), 5, {}, {})) == "");
  CHECK(complaint_of(tensor(storage("0", 6), 6, {0, 3}, {3, 1})) == "");
}

TEST_CASE("torch_file: what is no plain tensor is named, and nothing is run") {
  const auto names = [](const std::string& global) {
    return "FILE cannot be read: its pickle names `" + global +
           "`, which is not among what files of tensors need; nothing of it was run";
  };
  const std::string mark = (fs::temp_directory_path() / fmt::format("lowland-was-run-{}", ::getpid())).string();
  const std::string command = text("touch " + mark);
  CHECK(complaint_of(global("os", "system") + tuple(command) + "R") == names("os.system"));
  CHECK(complaint_of(global("posix", "system") + tuple(command) + "R") == names("posix.system"));
  CHECK(complaint_of(global("builtins", "eval") + tuple(text("1")) + "R") == names("builtins.eval"));
  CHECK(complaint_of(global("__builtin__", "getattr") + tuple(text("1")) + "R") == names("__builtin__.getattr"));
  CHECK(complaint_of(text("os") + text("system") + "\x93" + tuple(command) + "R") == names("os.system"));
  CHECK(complaint_of(global("torch", "load") + tuple(command) + "R") == names("torch.load"));
  CHECK(complaint_of(global("torch._utils", "_rebuild_qtensor") + ")R") == names("torch._utils._rebuild_qtensor"));
  CHECK(complaint_of(global("torch.storage", "_load_from_bytes") + ")R") == names("torch.storage._load_from_bytes"));
  CHECK(complaint_of(global("argparse", "Namespace") + ")\x81") == names("argparse.Namespace"));
  CHECK(complaint_of(global("collections\x1b[2J", "OrderedDict")) == names("collections\\x1b[2J.OrderedDict"));
  CHECK(!fs::exists(mark));
  const auto opcode = [](const std::string& name) {
    return "FILE cannot be read: its pickle uses the opcode " + name + ", which files of tensors do not";
  };
  CHECK(complaint_of("(ios\nsystem\n") == opcode("INST"));
  CHECK(complaint_of("(" + text("x") + "o") == opcode("OBJ"));
  CHECK(complaint_of("P0\n") == opcode("PERSID"));
  CHECK(complaint_of(std::string("\x82\x01", 2)) == opcode("EXT1"));
  CHECK(complaint_of("}}\x92") == opcode("NEWOBJ_EX"));
  CHECK(complaint_of("S'x'\n") == opcode("STRING"));
  CHECK(has(complaint_of("\xf0"), "has the byte 0xf0 where an opcode should be"));
  CHECK(has(complaint_of(text("f") + tuple("") + "R"), "calls what is no global"));
  CHECK(has(complaint_of("N}b"), "gives attributes to what has none"));
}

TEST_CASE("torch_file: damaged and boundless pickles") {
  const auto pickle = [](const std::string& bytes) { return complaint(torch_zip(bytes)); };
  CHECK(has(pickle(""), "its pickle ends too early"));
  CHECK(has(pickle("."), "takes from an empty stack"));
  CHECK(has(pickle("t."), "a mark that is not there"));
  CHECK(has(pickle("(Nr" + le<uint32_t>(0xffffffff)), "remembers a value as number 4294967295"));
  CHECK(has(pickle("h\1."), "asks for the value number 1"));
  CHECK(has(pickle("X" + le<uint32_t>(0xffffffff) + "abc"), "ends too early"));
  CHECK(has(pickle("\x8d" + le<uint64_t>(~0ull) + "abc"), "ends too early"));
  CHECK(has(pickle("\x80\x06N."), "has the protocol 6"));
  CHECK(has(pickle("}Na."), "adds items to what holds none"));
  CHECK(has(pickle("}(Nu."), "gives a key without a value"));
  CHECK(has(pickle("L12x\n."), "has the whole number `12x`"));
  CHECK(has(pickle(std::string(1'100'000, ']') + "."), "has more than 1000000 values"));
  CHECK(has(pickle(std::string(500'000, '(') + "."), "takes from an empty stack"));
  // A list of ten lists of ten lists ...: a billion items for whoever follows them all.
  std::string bomb = "]q\1";
  for (char i = 1; i < 100; ++i) {
    bomb += "](";
    for (int k = 0; k < 10; ++k) bomb += std::string("h") + i;
    bomb += std::string("eq") + static_cast<char>(i + 1);
  }
  CHECK(has(complaint_of("(" + bomb + "t"), "holds no state dict: no dict of named tensors"));
  CHECK(has(complaint_of("]q\1h\1a"), "no dict of named tensors"));  // a list that holds itself
  CHECK(has(complaint_of(std::string(100'000, '(') + std::string(100'000, 't')), "no dict of named tensors"));
  CHECK(has(pickle("]."), "it holds no state dict"));
}

TEST_CASE("torch_file: tensors that lie outside their storages") {
  const auto of = [](int64_t offset, const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
    return complaint_of(tensor(storage("0", 6), offset, shape, strides));
  };
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  CHECK(of(0, {2, 3}, {3, 1}) == "");
  CHECK(of(0, {7}, {1}) == "FILE cannot be read: tensor `w` of shape (7) lies outside its storage of 6 elements");
  for (const std::string& said :
       {of(1, {6}, {1}), of(7, {0}, {1}), of(-1, {1}, {1}), of(0, {2, 3}, {4, 1}), of(0, {kHuge, 4}, {0, 0}),
        of(0, {kHuge}, {kHuge}), of(kHuge, {2}, {1}), of(0, {2}, {kHuge}), of(0, {3, 3}, {kHuge / 2, kHuge / 2})})
    CHECK(has(said, "lies outside its storage of 6 elements"));
  CHECK(has(of(0, {2}, {-1}), "is not described as torch.save does"));
  CHECK(has(of(0, {2}, {1, 1}), "is not described as torch.save does"));
  CHECK(of(0, {1000, 100}, {0, 0}) == "");  // expanded, small
  CHECK(has(of(0, {1000, 1000}, {0, 0}), "repeats a storage of 6 elements"));
  CHECK(has(of(0, std::vector<int64_t>(40, 1), std::vector<int64_t>(40, 1)), "is not described as torch.save does"));
  CHECK(has(complaint_of(tensor(storage("1", 6), 0, {6}, {1})), "storage `1` of tensor `w` is not in it"));
  CHECK(has(complaint_of(tensor(storage("0", 5), 0, {5}, {1})), "storage `0` has 24 bytes where tensor `w` needs 20"));
  CHECK(has(complaint_of(tensor(storage("0", kHuge), 0, {5}, {1})), "more than the file can hold"));
  CHECK(has(complaint_of(tensor(storage("0", -1), 0, {5}, {1})), "more than the file can hold"));
  CHECK(has(complaint_of(tensor(storage("0", 6, "Size"), 0, {5}, {1})), "a storage in it has the type torch.Size"));
  CHECK(has(complaint_of(tensor(text("os.system") + "Q", 0, {5}, {1})), "a storage in it is not described"));
  CHECK(has(complaint_of(tensor(global("torch", "FloatStorage"), 0, {5}, {1})), "a storage in it is not described"));
  CHECK(has(complaint_of(tensor("N", 0, {5}, {1})), "a storage in it is not described"));
  std::string many = "\x80\x02}(";
  for (int i = 0; i < 60; ++i) many += text(fmt::format("w{}", i)) + tensor(storage("0", 6), 0, {1000, 200}, {0, 0});
  CHECK(has(complaint(torch_zip(many + "u.")), "share so much that they are far larger than it"));
  const std::string w = text("w") + tensor(storage("0", 6), 0, {6}, {1});
  CHECK(has(complaint(torch_zip("\x80\x02}(" + w + w + "u.")), "it has tensor `w` twice"));
}

TEST_CASE("torch_file: archives that are refused") {
  const std::string good = pickle_of(tensor(storage("0", 6), 0, {6}, {1})), data(24, '\1');
  const ZipContent entries{{"a/data.pkl", good}, {"a/data/0", data}};
  const std::string whole = zip_of(entries);
  CHECK(complaint(whole) == "");
  for (size_t n = 1; n < whole.size(); ++n)
    if (complaint(whole.substr(0, n)).empty()) CHECK_MESSAGE(false, "accepted when cut off after " << n << " bytes");
  CHECK(has(complaint(whole.substr(0, whole.size() - 1)), "was the download cut off?"));
  CHECK(has(complaint(zip_of(entries, false, 8)), "`a/data.pkl` in it is compressed (method 8)"));
  CHECK(has(complaint(zip_of(entries, false, 0, 1)), "`a/data.pkl` in it is encrypted"));
  CHECK(has(complaint(zip_of({{"a/data.pkl", good}, {"a/data/0", data}, {"a/data/0", data}})),
            "it has `a/data/0` twice"));
  CHECK(has(complaint(zip_of({{"b.txt", "x"}})), "a zip archive, but not one of torch.save"));
  CHECK(has(complaint(zip_of({{"a/data.pkl", good}, {"a/constants.pkl", "x"}})), "a TorchScript program"));
  CHECK(has(complaint(zip_of({{"a/byteorder", "big"}, {"a/data.pkl", good}, {"a/data/0", data}})), "big-endian"));
  // The second entry's place in the directory is the first's: they overlap, under another name.
  std::string same = whole;
  same.replace(same.rfind("PK\1\2") + 42, 4, std::string(4, '\0'));
  CHECK(has(complaint(same), "`a/data/0` in it has another name in its own header"));
  std::string far = whole;
  far.replace(far.rfind("PK\1\2") + 42, 4, le<uint32_t>(0x7fffffff));
  CHECK(has(complaint(far), "`a/data/0` in it lies outside the file"));
  std::string large = whole;
  large.replace(large.rfind("PK\1\2") + 20, 8, le<uint32_t>(1 << 20) + le<uint32_t>(1 << 20));
  CHECK(has(complaint(large), "`a/data/0` in it lies outside the file"));
  std::string over = whole;  // the first reaches into the second
  over.replace(over.find("PK\1\2") + 20, 8,
               le(static_cast<uint32_t>(good.size() + 40)) + le(static_cast<uint32_t>(good.size() + 40)));
  CHECK(has(complaint(over), "`a/data.pkl` and `a/data/0` in it overlap"));
  std::string counted = whole;
  counted.replace(counted.rfind("PK\5\6") + 10, 2, "\xff\xff");
  CHECK(has(complaint(counted), "counts more entries than it has"));
}

TEST_CASE("torch_file: other files under this name") {
  CHECK(complaint("") == "FILE is empty: was the download cut off?");
  CHECK(has(complaint("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"), "is a Git LFS pointer"));
  CHECK(complaint("<!doctype html>") == "FILE is neither a file of torch.save nor one of safetensors");
  CHECK(has(complaint("\x80\x02}."), "it is a pickle, but not one of torch.save"));
  const std::string legacy = read_file(kGolden + "legacy-protocol-2.bin");
  for (size_t n = 1; n < legacy.size(); n += n < legacy.size() - 300 ? 7 : 1)
    if (complaint(legacy.substr(0, n)).empty()) CHECK_MESSAGE(false, "accepted when cut off after " << n << " bytes");
  const size_t count = legacy.rfind(std::string("\xd2\0\0\0\0\0\0\0", 8));  // 210 elements
  REQUIRE(count != std::string::npos);
  std::string length = legacy;
  length[count] = '\xd1';
  CHECK(has(complaint(length), "has two different lengths"));
}
