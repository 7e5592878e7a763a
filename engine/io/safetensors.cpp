#include "engine/io/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <set>
#include <system_error>

#include <nlohmann/json.hpp>

#include "engine/error.h"

namespace lowland {
namespace {

constexpr size_t kLargestHeader = 100'000'000;  // the limit of the reference implementation

// False on overflow: a header may claim any shape.
bool multiply(size_t& product, uint64_t factor) { return !__builtin_mul_overflow(product, factor, &product); }

}  // namespace

struct SafetensorsFile::Map {
  void* address = nullptr;
  size_t size = 0;
  explicit Map(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info {};
    if (fd < 0 || ::fstat(fd, &info) != 0) {
      const int error = errno;
      if (fd >= 0) ::close(fd);
      fail("cannot open {}: {}", path, std::system_category().message(error));
    }
    size = info.st_size;
    if (S_ISREG(info.st_mode) && size >= 8) address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    const int error = errno;
    ::close(fd);
    LL_CHECK(S_ISREG(info.st_mode), "cannot open {}: it is not a file", path);
    LL_CHECK(size >= 8, "{} is not a safetensors file: it has {} bytes, the header's length alone takes 8", path, size);
    if (address == MAP_FAILED) fail("cannot map {}: {}", path, std::system_category().message(error));
  }
  ~Map() { ::munmap(address, size); }
  Map(const Map&) = delete;
  Map& operator=(const Map&) = delete;

  // Lets the system take back the pages of a span that was copied; they are read again if they are needed
  // again.
  void drop(const char* begin, size_t bytes) const {
    const uintptr_t page = 4096, first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
    const uintptr_t last = (reinterpret_cast<uintptr_t>(begin) + bytes) / page * page;
    if (last > first + (1u << 20)) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  }
};

void SafetensorsFile::refuse(const std::string& why) const {
  fail("{} is not a valid safetensors file: {}", path_, why);
}

SafetensorsFile::SafetensorsFile(const std::string& path) : path_(path), map_(std::make_shared<Map>(path)) {
  const char* file = static_cast<const char*>(map_->address);
  if (std::string_view(file, map_->size).starts_with("version https://git-lfs"))
    refuse("it is a Git LFS pointer, not the file itself: `git lfs pull` fetches that");
  uint64_t header = 0;
  std::memcpy(&header, file, sizeof header);  // x86: little-endian, as in the file
  if (header > kLargestHeader) {
    refuse(fmt::format("its header would have {} bytes, more than the {} allowed", header, kLargestHeader));
  }
  if (header > map_->size - 8) {
    refuse(fmt::format("its header has {} bytes, but only {} follow (is the file cut off?)", header, map_->size - 8));
  }
  data_ = file + 8 + header;
  data_bytes_ = map_->size - 8 - header;
  parse({file + 8, header});
  check_layout();
}

namespace {

using nlohmann::json;

bool is_count(const json& value) {
  return value.is_number_unsigned() &&
         value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
}

// One entry of the header; `why` says what is wrong, in words that follow "tensor NAME".
bool parse_entry(const json& entry, TensorInfo& t, std::string& why) {
  why = "has no dtype, shape and data_offsets";
  if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") || !entry.contains("data_offsets")) {
    return false;
  }
  const json &dtype = entry["dtype"], &shape = entry["shape"], &offsets = entry["data_offsets"];
  why = "has a dtype that is not a name";
  if (!dtype.is_string()) return false;
  t.dtype = dtype.get<std::string>();
  why = "has a shape that is not a list of sizes";
  if (!shape.is_array() || !std::all_of(shape.begin(), shape.end(), is_count)) return false;
  for (const json& d : shape) t.shape.push_back(d.get<int64_t>());
  why = "has data_offsets that are not [begin, end]";
  if (!offsets.is_array() || offsets.size() != 2 || !is_count(offsets[0]) || !is_count(offsets[1])) return false;
  t.begin = offsets[0].get<size_t>();
  t.end = offsets[1].get<size_t>();
  return t.begin <= t.end;
}

}  // namespace

void SafetensorsFile::parse(std::string_view header) {
  if (header.empty() || header[0] != '{') refuse("its header is not JSON");
  std::vector<std::set<std::string>> keys(3);  // seen so far at each depth: JSON parsers keep the last of two silently
  std::string twice;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    const size_t d = depth;
    if (event == json::parse_event_t::object_start && d + 1 < keys.size()) keys[d + 1].clear();
    if (event == json::parse_event_t::key && d < keys.size() && !keys[d].insert(value.get<std::string>()).second) {
      twice = value.get<std::string>();
    }
    return true;
  };
  json root;
  try {
    root = json::parse(header, watch);
  } catch (const json::exception&) {
    refuse("its header is not JSON");
  }
  if (!twice.empty()) refuse(fmt::format("its header has `{}` twice", twice));
  for (const auto& [name, entry] : root.items()) {
    if (name == "__metadata__") {
      if (entry.is_null()) continue;
      if (!entry.is_object()) refuse("its __metadata__ is not an object");
      for (const auto& [key, value] : entry.items()) {
        if (!value.is_string()) refuse(fmt::format("its __metadata__ entry `{}` is not a string", key));
        metadata_[key] = value.get<std::string>();
      }
      continue;
    }
    TensorInfo t;
    t.name = name;
    std::string why;
    if (!parse_entry(entry, t, why)) refuse(fmt::format("tensor `{}` {}", name, why));
    tensors_.push_back(std::move(t));
  }
}

void SafetensorsFile::check_layout() {
  for (const TensorInfo& t : tensors_) {
    if (t.end > data_bytes_) {
      refuse(fmt::format("tensor `{}` ends at byte {} of the data, which has {} (is the file cut off?)", t.name, t.end,
                         data_bytes_));
    }
    const size_t element = file_dtype_bytes(t.dtype);
    size_t count = 1,
           bytes = 0;  // count without the element size must fit as well: it becomes an int64 numel
    bool fits = true;
    for (const int64_t d : t.shape) fits = fits && multiply(count, d);
    fits = fits && count <= static_cast<size_t>(std::numeric_limits<int64_t>::max());
    bytes = count;
    fits = fits && multiply(bytes, element == 0 ? 1 : element);
    if (!fits || (element != 0 && bytes != t.end - t.begin)) {
      refuse(fmt::format("tensor `{}` of shape {} and dtype {} has {} bytes", t.name, to_string(t.shape), t.dtype,
                         t.end - t.begin));
    }
  }
  std::vector<const TensorInfo*> order;
  for (const TensorInfo& t : tensors_) order.push_back(&t);
  std::sort(order.begin(), order.end(), [](const TensorInfo* a, const TensorInfo* b) {
    return a->begin != b->begin ? a->begin < b->begin : a->end < b->end;
  });
  size_t expected = 0;
  for (const TensorInfo* t : order) {
    if (t->begin != expected) {
      refuse(fmt::format("tensor `{}` begins at byte {} of the data where {} is next: tensors {}", t->name, t->begin,
                         expected, t->begin < expected ? "overlap" : "leave a gap"));
    }
    expected = t->end;
  }
  if (expected != data_bytes_) refuse(fmt::format("{} bytes follow the last tensor", data_bytes_ - expected));
}

const TensorInfo* SafetensorsFile::find(const std::string& name) const {
  const auto it = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                   [](const TensorInfo& t, const std::string& n) { return t.name < n; });
  return it != tensors_.end() && it->name == name ? &*it : nullptr;
}

const TensorInfo& SafetensorsFile::info(const std::string& name) const {
  const TensorInfo* t = find(name);
  if (!t) fail("{} has no tensor `{}`", path_, name);
  return *t;
}

std::string_view SafetensorsFile::bytes(const std::string& name) const {
  const TensorInfo& t = info(name);
  return {data_ + t.begin, t.end - t.begin};
}

void SafetensorsFile::read_into(const std::string& name, const Tensor& into) const {
  const TensorInfo& t = info(name);
  LL_CHECK(t.shape == into.shape(), "tensor `{}` of {} has shape {} where {} is needed", name, path_,
           to_string(t.shape), to_string(into.shape()));
  const std::string_view from = bytes(name);
  const auto convert = [&](void* to) {
    if (!convert_from_file(to, into.dtype(), from.data(), t.dtype, into.numel()))
      fail("tensor `{}` of {} has dtype {}, which cannot be read as {}", name, path_, t.dtype, name_of(into.dtype()));
  };
  if (into.context().on_cpu()) {
    convert(into.raw());
  } else {
    std::vector<char> here(into.nbytes());
    convert(here.data());
    into.assign_bytes(here.data());
  }
  map_->drop(from.data(), from.size());
}

Tensor SafetensorsFile::borrow(Context& context, const std::string& name, DType dtype) const {
  const TensorInfo& t = info(name);
  const size_t alignment = std::max<size_t>(4, size_of(dtype));
  const char* from = data_ + t.begin;
  if (t.dtype != file_dtype_of(dtype) || reinterpret_cast<uintptr_t>(from) % alignment != 0) return {};
  if (context.device().type != DeviceType::cpu) return {};
  return Tensor::borrow(context, t.shape, dtype, const_cast<char*>(from), map_);
}

Tensor SafetensorsFile::load(Context& context, const std::string& name, DType dtype) const {
  Tensor x = borrow(context, name, dtype);
  if (x) return x;
  x = Tensor::empty(context, info(name).shape, dtype);
  read_into(name, x);
  return x;
}

}  // namespace lowland
