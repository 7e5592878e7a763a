#include "engine/io/gguf.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "engine/error.h"
#include "engine/io/gguf_types.h"
#include "engine/io/printable.h"

namespace lowland {
namespace {

constexpr size_t kLeastKey = 8 + 4 + 1, kLeastTensor = 8 + 4 + 8 + 4 + 8, kMostDimensions = 4;
constexpr int kDeepestList = 4;

// What follows, piece by piece; never beyond the end.
class Cursor {
 public:
  Cursor(std::string_view file, const std::string& path) : file_(file), path_(path) {}

  size_t at() const { return at_; }
  size_t left() const { return file_.size() - at_; }
  const char* here() const { return file_.data() + at_; }
  std::string_view since(const char* start) const { return {start, static_cast<size_t>(here() - start)}; }

  std::string_view take(uint64_t bytes, const std::string& what) {
    LL_CHECK(bytes <= left(),
             "{} is not a valid GGUF file: {} would have {} bytes, of which {} are there (is the file "
             "cut off?)",
             path_, what, bytes, left());
    const std::string_view span = file_.substr(at_, bytes);
    at_ += bytes;
    return span;
  }
  template <class T> T number(const std::string& what) {
    T x;
    std::memcpy(&x, take(sizeof x, what).data(), sizeof x);
    return x;
  }
  std::string_view text(const std::string& what) { return take(number<uint64_t>(what), what); }

 private:
  std::string_view file_;
  const std::string& path_;
  size_t at_ = 0;
};

class Parser {
 public:
  Parser(std::string_view file, const std::string& path, GgufMetadata& keys)
      : in_(file, path), path_(path), keys_(keys), size_(file.size()) {}

  // The tensors, and where their bytes begin in the file.
  std::vector<TensorInfo> parse(size_t& data) {
    const auto tensors = read_head();
    std::vector<TensorInfo> out;
    out.reserve(tensors);
    for (uint64_t i = 0; i < tensors; ++i) out.push_back(read_tensor(i));
    const int64_t alignment = keys_.whole("general.alignment", 32);
    if (alignment < 1 || alignment > (1 << 20) || (alignment & (alignment - 1)) != 0)
      refuse(fmt::format("general.alignment is {}, not a power of two", alignment));
    data = (in_.at() + alignment - 1) / alignment * alignment;
    if (data > size_ && !out.empty()) refuse("its tensors' bytes are not there (is the file cut off?)");
    data = std::min(data, size_);
    check_places(out, size_ - data, alignment);
    return out;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const { fail("{} is not a valid GGUF file: {}", path_, why); }

  // Everything before the tensors; how many these are.
  uint64_t read_head() {
    LL_CHECK(in_.left() >= 4 && in_.take(4, "").compare("GGUF") == 0,
             "{} is not a GGUF file: it does not begin with GGUF", path_);
    const auto version = in_.number<uint32_t>("its version");
    const bool swapped = version != 0 && (version & 0xffffU) == 0;
    LL_CHECK(version == 2 || version == 3, "{} is {}; little-endian ones of versions 2 and 3 are read", path_,
             swapped ? "a big-endian GGUF file" : fmt::format("of version {} of GGUF", version));
    const auto tensors = in_.number<uint64_t>("the count of its tensors"), keys = in_.number<uint64_t>("its keys");
    for (const auto& [count, least, what] : {std::tuple{keys, kLeastKey, "keys"}, {tensors, kLeastTensor, "tensors"}})
      if (count > in_.left() / least) refuse(fmt::format("it cannot hold the {} {} that it counts", count, what));
    for (uint64_t i = 0; i < keys; ++i) {
      const std::string key(in_.text(fmt::format("the name of key {}", i)));
      const GgufValue value = read_value(key, in_.number<uint32_t>(printable(key)), 0);
      if (!keys_.put(key, value)) refuse(fmt::format("it has the key `{}` twice", printable(key)));
    }
    return tensors;
  }

  GgufValue read_value(const std::string& key, uint32_t number, int depth) {
    const std::string name = printable(key);
    if (number > static_cast<uint32_t>(GgufKind::f64))
      refuse(fmt::format("`{}` is a value of kind {}, which is unknown", name, number));
    GgufValue v;
    v.kind = static_cast<GgufKind>(number);
    if (v.kind == GgufKind::text) {
      v.bytes = in_.text(name);
    } else if (v.kind != GgufKind::list) {
      v.bytes = in_.take(gguf_kind_bytes(v.kind), name);
    } else {
      read_list(v, key, depth);
    }
    return v;
  }

  void read_list(GgufValue& v, const std::string& key, int depth) {
    const std::string name = printable(key);
    const auto number = in_.number<uint32_t>(name);
    v.list = true;
    v.count = in_.number<uint64_t>(name);
    if (number > static_cast<uint32_t>(GgufKind::f64) || depth == kDeepestList)
      refuse(fmt::format("`{}` is a list of kind {}, {}", name, number,
                         depth == kDeepestList ? "too deep in others" : "which is unknown"));
    v.kind = static_cast<GgufKind>(number);
    const size_t each = gguf_kind_bytes(v.kind), least = each > 0 ? each : size_t{8};
    if (v.count > in_.left() / least) refuse(fmt::format("it cannot hold the {} values of `{}`", v.count, name));
    const char* start = in_.here();
    if (each > 0) (void)in_.take(v.count * each, name);
    for (uint64_t i = 0; each == 0 && i < v.count; ++i) (void)read_value(key, number, depth + 1);
    v.bytes = in_.since(start);
  }

  TensorInfo read_tensor(uint64_t index) {
    TensorInfo t;
    t.name = std::string(in_.text(fmt::format("the name of tensor {}", index)));
    const std::string name = printable(t.name);
    const auto dimensions = in_.number<uint32_t>(name);
    if (dimensions < 1 || dimensions > kMostDimensions)
      refuse(fmt::format("tensor `{}` has {} dimensions, where 1 to {} can be", name, dimensions, kMostDimensions));
    size_t count = 1;
    for (uint32_t d = 0; d < dimensions; ++d) {
      const auto size = in_.number<uint64_t>(name);
      if (size < 1 || __builtin_mul_overflow(count, size, &count) || count > (uint64_t{1} << 48))
        refuse(fmt::format("tensor `{}` has a dimension of {}", name, size));
      t.shape.insert(t.shape.begin(), static_cast<int64_t>(size));
    }
    const auto id = in_.number<uint32_t>(name);
    const GgufType* type = gguf_type(id);
    if (type == nullptr || type->bytes == 0)
      fail("{}: tensor `{}` is of type {}, which is not read; {} are", path_, name,
           type == nullptr ? std::to_string(id) : type->name, gguf_type_names());
    t.dtype = type->name;
    if (t.shape.back() % type->block != 0)
      refuse(fmt::format("tensor `{}` of type {} has rows of {} numbers, which blocks of {} do not fill", name,
                         type->name, t.shape.back(), type->block));
    t.begin = in_.number<uint64_t>(name);
    if (__builtin_add_overflow(t.begin, count / type->block * type->bytes, &t.end))
      refuse(fmt::format("tensor `{}` begins at byte {}", name, t.begin));
    return t;
  }

  void check_places(std::vector<TensorInfo>& tensors, size_t data, int64_t alignment) const {
    std::vector<const TensorInfo*> order;
    for (const TensorInfo& t : tensors) order.push_back(&t);
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->begin < b->begin; });
    size_t end = 0;
    for (const TensorInfo* t : order) {
      const std::string name = printable(t->name);
      if (t->end > data)
        refuse(fmt::format("tensor `{}` ends at byte {} of the data, which has {} (is the file cut off?)", name, t->end,
                           data));
      if (t->begin % alignment != 0)
        refuse(fmt::format("tensor `{}` begins at byte {}, not a multiple of {}", name, t->begin, alignment));
      if (t->begin < end) refuse(fmt::format("tensor `{}` begins inside another", name));
      end = t->end;
    }
  }

  Cursor in_;
  const std::string& path_;
  GgufMetadata& keys_;
  size_t size_;
};

void check_names(const std::string& path, const std::vector<TensorInfo>& sorted) {
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end(),
                                        [](const TensorInfo& a, const TensorInfo& b) { return a.name == b.name; });
  LL_CHECK(twice == sorted.end(), "{} has tensor `{}` twice", path, printable(twice->name));
}

}  // namespace

GgufFile::GgufFile(const std::string& path) : TensorFile(path), keys_(path) {
  size_t data = 0;
  std::vector<TensorInfo> tensors = Parser(content(), this->path(), keys_).parse(data);
  tensors_at_ = content().substr(data);
  set_tensors(tensors_at_, std::move(tensors));
  check_names(path, this->tensors());
}

void GgufFile::translate(const std::function<void(TensorInfo&)>& change) {
  std::vector<TensorInfo> changed = tensors();
  for (TensorInfo& t : changed) change(t);
  std::erase_if(changed, [](const TensorInfo& t) { return t.name.empty(); });
  set_tensors(tensors_at_, std::move(changed));
  check_names(path(), tensors());
}

}  // namespace lowland
