// GGUF files: what is read, and what is refused before anything of its size is allocated. Files that the gguf package
// wrote: tests/golden/make_gguf_golden.py, tests/hub/gguf_model_test.cpp.
#include "engine/io/gguf.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/gguf_writer.h"
#include "engine/io/row_order.h"
#include "tests/hub/hub_fixture.h"

using namespace lowland;
using namespace lowland::test;

namespace {

template <class T> std::string raw(T x) { return {reinterpret_cast<const char*>(&x), sizeof x}; }
std::string raw_text(const std::string& text) { return raw(uint64_t{text.size()}) + text; }

// A file piece by piece, as the format says: each may be made wrong.
struct Raw {
  std::string magic = "GGUF", keys, tensors, data;
  uint32_t version = 3;
  uint64_t tensor_count = 0, key_count = 0;

  Raw& key(const std::string& name, uint32_t kind, const std::string& value) {
    keys += raw_text(name) + raw(kind) + value;
    ++key_count;
    return *this;
  }
  Raw& tensor(const std::string& name, const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset) {
    tensors += raw_text(name) + raw(static_cast<uint32_t>(dims.size()));
    for (const uint64_t d : dims) tensors += raw(d);
    tensors += raw(type) + raw(offset);
    ++tensor_count;
    return *this;
  }
  std::string bytes() const {
    std::string out = magic + raw(version) + raw(tensor_count) + raw(key_count) + keys + tensors;
    out.resize((out.size() + 31) / 32 * 32);
    return out + data;
  }
};

// One tensor of 32 f32.
Raw plain() {
  Raw file;
  file.key("general.alignment", 4, raw(uint32_t{32})).tensor("w", {8, 4}, 0, 0);
  file.data.resize(128);
  return file;
}

std::string refusal(const std::string& bytes) {
  const Folder folder;
  write_file_atomically(folder / "x.gguf", bytes);
  try {
    const GgufFile file(folder / "x.gguf");
    for (const TensorInfo& t : file.tensors()) (void)file.load(cpu(), t.name, DType::f32);
    for (const auto& [key, value] : file.keys().all())
      if (value.list && value.kind == GgufKind::text) (void)file.keys().texts(key);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max() / 2;

}  // namespace

TEST_CASE("gguf: metadata of every kind") {
  Raw file = plain();
  file.key("u8", 0, raw(uint8_t{200})).key("i8", 1, raw(int8_t{-3})).key("u16", 2, raw(uint16_t{60000}));
  file.key("i16", 3, raw(int16_t{-300})).key("u32", 4, raw(uint32_t{4000000000})).key("i32", 5, raw(int32_t{-70000}));
  file.key("f32", 6, raw(0.25F)).key("flag", 7, raw(uint8_t{1})).key("text", 8, raw_text("a\tb"));
  file.key("u64", 10, raw(uint64_t{1} << 40)).key("i64", 11, raw(-(int64_t{1} << 40))).key("f64", 12, raw(1e300));
  file.key("texts", 9, raw(uint32_t{8}) + raw(uint64_t{2}) + raw_text("one") + raw_text(""));
  file.key("numbers", 9, raw(uint32_t{1}) + raw(uint64_t{3}) + raw(int8_t{1}) + raw(int8_t{-2}) + raw(int8_t{3}));
  file.key("none", 9, raw(uint32_t{5}) + raw(uint64_t{0}));
  file.key("nested", 9, raw(uint32_t{9}) + raw(uint64_t{1}) + raw(uint32_t{0}) + raw(uint64_t{2}) + "xy");
  file.key("past", 10, raw(kHuge * 2));
  const Folder folder;
  write_file_atomically(folder / "x.gguf", file.bytes());
  const GgufFile read(folder / "x.gguf");
  const GgufMetadata& keys = read.keys();
  for (const auto& [key, value] : {std::pair<const char*, int64_t>{"u8", 200},
                                   {"i8", -3},
                                   {"u16", 60000},
                                   {"i16", -300},
                                   {"u32", 4000000000},
                                   {"i32", -70000},
                                   {"u64", int64_t{1} << 40},
                                   {"i64", -(int64_t{1} << 40)},
                                   {"absent", 7}})
    CHECK(keys.whole(key, 7) == value);
  CHECK(keys.number("f32", 0) == 0.25);
  CHECK(keys.number("f64", 0) == 1e300);
  CHECK(keys.number("i8", 0) == -3);
  CHECK(keys.flag("flag", false));
  CHECK(keys.text("text", "") == "a\tb");
  CHECK(keys.texts("texts") == std::vector<std::string>{"one", ""});
  CHECK(keys.numbers("numbers") == std::vector<double>{1, -2, 3});
  CHECK(keys.numbers("none").empty());
  CHECK(keys.find("nested")->count == 1);
  CHECK_THROWS_WITH_AS((void)keys.whole("f32", 0), doctest::Contains("f32 is not a whole number"), Error);
  CHECK_THROWS_WITH_AS((void)keys.whole("past", 0), doctest::Contains("past is larger than"), Error);
  CHECK_THROWS_WITH_AS((void)keys.number("text", 0), doctest::Contains("text is not a number"), Error);
  CHECK_THROWS_WITH_AS((void)keys.flag("u8", false), doctest::Contains("u8 is neither true nor false"), Error);
  CHECK_THROWS_WITH_AS((void)keys.text("texts", ""), doctest::Contains("texts is not a text"), Error);
  CHECK_THROWS_WITH_AS((void)keys.texts("numbers"), doctest::Contains("numbers is not a list of texts"), Error);
  CHECK_THROWS_WITH_AS((void)keys.numbers("texts"), doctest::Contains("texts is not a list of numbers"), Error);
}

TEST_CASE("gguf: a file that is cut off anywhere is refused") {
  Raw file = plain();
  file.key("texts", 9, raw(uint32_t{8}) + raw(uint64_t{2}) + raw_text("one") + raw_text("two"));
  const std::string whole = file.bytes();
  CHECK(refusal(whole) == "");
  for (size_t size = 1; size < whole.size(); size += 3) {
    CAPTURE(size);
    CHECK(refusal(whole.substr(0, size)) != "");
  }
  CHECK(has(refusal(whole.substr(0, whole.size() - 1)), "tensor `w` ends at byte 128 of the data, which has 127"));
}

TEST_CASE("gguf: what its head says is held against the file") {
  Raw file = plain();
  file.magic = "GGUX";
  CHECK(has(refusal(file.bytes()), "does not begin with GGUF"));
  file = plain();
  file.version = 1;
  CHECK(has(refusal(file.bytes()), "is of version 1 of GGUF"));
  file.version = 0x03000000;
  CHECK(has(refusal(file.bytes()), "is a big-endian GGUF file"));
  file = plain();
  file.tensor_count = kHuge;
  CHECK(has(refusal(file.bytes()), "cannot hold the 9223372036854775807 tensors"));
  file = plain();
  file.key_count = kHuge;
  CHECK(has(refusal(file.bytes()), "cannot hold the 9223372036854775807 keys"));
  CHECK(has(refusal(plain().key("a", 13, "x").bytes()), "`a` is a value of kind 13, which is unknown"));
  CHECK(has(refusal(plain().key("a", 8, raw(kHuge)).bytes()), "a would have 9223372036854775807 bytes"));
  CHECK(
      has(refusal(plain().key("a", 9, raw(uint32_t{8}) + raw(kHuge)).bytes()), "cannot hold the 9223372036854775807"));
  CHECK(has(refusal(plain().key("a", 9, raw(uint32_t{77}) + raw(uint64_t{0})).bytes()), "list of kind 77, which is"));
  CHECK(has(refusal(plain().key("general.alignment", 4, raw(uint32_t{8})).bytes()), "key `general.alignment` twice"));
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += raw(uint32_t{9}) + raw(uint64_t{1});
  CHECK(has(refusal(plain().key("a", 9, deep).bytes()), "too deep in others"));
  Raw odd;
  odd.key("general.alignment", 4, raw(uint32_t{48})).tensor("w", {8}, 0, 0).data.resize(32);
  CHECK(has(refusal(odd.bytes()), "general.alignment is 48, not a power of two"));
}

TEST_CASE("gguf: tensors are held against the file, and named") {
  const auto with = [](const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset) {
    Raw file;
    file.tensor("w", dims, type, offset).data.resize(1024);
    return refusal(file.bytes());
  };
  CHECK(with({32, 2}, 3, 32) == "");
  CHECK(has(with({32, 2}, 3, 1024), "tensor `w` ends at byte 1064 of the data, which has 1024"));
  CHECK(has(with({32, 2}, 3, kHuge * 2), "tensor `w` begins at byte 18446744073709551614"));
  CHECK(has(with({32, 2}, 3, 8), "begins at byte 8, not a multiple of 32"));
  CHECK(has(with({48, 2}, 3, 0), "has rows of 48 numbers, which blocks of 32 do not fill"));
  CHECK(has(with({32, 2}, 10, 0), "tensor `w` is of type Q2_K, which is not read; F32, F16"));
  CHECK(has(with({32, 2}, 16, 0), "is of type IQ2_XXS"));
  CHECK(has(with({32, 2}, 1000, 0), "is of type 1000, which is not read"));
  CHECK(has(with({32, 0}, 0, 0), "tensor `w` has a dimension of 0"));
  CHECK(has(with({uint64_t{1} << 40, uint64_t{1} << 40}, 0, 0), "has a dimension of"));
  CHECK(has(with({}, 0, 0), "has 0 dimensions, where 1 to 4 can be"));
  CHECK(has(with({1, 1, 1, 1, 1}, 0, 0), "has 5 dimensions"));
  Raw file;
  file.tensor("w", {8}, 0, 0).tensor("v", {8}, 0, 0).data.resize(64);
  CHECK(has(refusal(file.bytes()), "begins inside another"));
  Raw twice;
  twice.tensor("w", {8}, 0, 0).tensor("w", {8}, 0, 32).data.resize(64);
  CHECK(has(refusal(twice.bytes()), "has tensor `w` twice"));
}

TEST_CASE("gguf: a scale that is no number is named when it is read") {
  for (const uint16_t bits : {uint16_t{0x7e00}, uint16_t{0x7c00}, uint16_t{0xfc00}}) {
    Raw file;
    file.tensor("blk.0.attn_q.weight", {32, 1}, 8, 0).data = raw(bits) + std::string(32, '\1');
    CHECK(has(refusal(file.bytes()), "tensor `blk.0.attn_q.weight`"));
    CHECK(has(refusal(file.bytes()), "NaN or infinite: the file is damaged"));
  }
}

TEST_CASE("gguf: what is written is read, rows of heads in either order") {
  const Folder folder;
  std::vector<float> values(8 * 64);
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i * i)) / 3;
  const Tensor x = Tensor::from<float>(cpu(), {8, 64}, values);
  GgufKeys keys;
  keys.text("general.architecture", "none");
  keys.whole("a", 3);
  keys.number("b", 0.5);
  keys.flag("c", true);
  keys.texts("d", {"x", "yz"});
  keys.wholes("e", {1, -2});
  keys.numbers("f", {0.5F, -1});
  const std::pair<const char*, float> types[] = {
      {"F32", 0}, {"F16", 0.0005F}, {"BF16", 0.004F}, {"Q8_0", 0.003F}, {"Q4_0", 0.05F}};
  std::vector<TensorInfo> plan;
  for (const auto& [type, error] : types) plan.push_back({.name = type, .dtype = type, .shape = {8, 64}});
  {
    GgufWriter writer(folder / "x.gguf", keys, plan);
    for (const TensorInfo& t : writer.plan()) writer.append(t.name, x);
    CHECK_THROWS_AS(writer.append("F32", x), Error);
    writer.finish();
  }
  GgufFile file(folder / "x.gguf");
  CHECK(file.keys().texts("d") == std::vector<std::string>{"x", "yz"});
  CHECK(file.keys().numbers("e") == std::vector<double>{1, -2});
  CHECK(file.keys().flag("c", false));
  for (const auto& [type, error] : types) {
    const std::string tensor = type;
    CAPTURE(tensor);
    const std::vector<float> read = file.load(cpu(), type, DType::f32).to_vector<float>();
    for (size_t i = 0; i < read.size(); ++i) CHECK(std::abs(read[i] - values[i]) <= error);
  }
  const std::vector<float> before = file.load(cpu(), "Q4_0", DType::f32).to_vector<float>();
  file.translate([](TensorInfo& t) { t.paired_heads = t.name == "Q4_0" ? 2 : 0; });
  const std::vector<float> after = file.load(cpu(), "Q4_0", DType::f32).to_vector<float>();
  std::vector<float> again(after.size());
  rows_to_pairs(reinterpret_cast<char*>(again.data()), reinterpret_cast<const char*>(after.data()), 8,
                64 * sizeof(float), 2);
  CHECK(after != before);
  CHECK(again == before);
  for (int64_t row : {0, 1, 2, 3})  // of the first head: 0 2 1 3
    CHECK(after[row * 64] == before[(row == 1 ? 2 : row == 2 ? 1 : row) * 64]);
}

TEST_CASE("gguf: what cannot be written is refused, and nothing is left") {
  const Folder folder;
  const Tensor x = Tensor::from<float>(cpu(), {1, 32}, std::vector<float>(32, 1e6F));
  const auto write = [&](const char* type, Shape shape) {
    GgufWriter writer(folder / "x.gguf", {}, {{.name = "w", .dtype = type, .shape = std::move(shape)}});
    writer.append("w", x);
    writer.finish();
  };
  CHECK_THROWS_WITH_AS(write("F16", {1, 32}), doctest::Contains("tensor `w` has a number that F16 does not hold"),
                       Error);
  CHECK_THROWS_WITH_AS(write("Q8_0", {1, 31}), doctest::Contains("rows of 31 numbers"), Error);
  CHECK_THROWS_WITH_AS(write("Q2_K", {1, 256}), doctest::Contains("tensor `w`"), Error);
  CHECK_FALSE(std::filesystem::exists(folder / "x.gguf"));
  write("Q8_0", {1, 32});
  CHECK(std::filesystem::exists(folder / "x.gguf"));
}
