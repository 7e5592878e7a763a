#include "engine/io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>

#include <nlohmann/json.hpp>

#include "engine/error.h"

namespace lowland {
namespace {

constexpr size_t kLargestHeader = 100'000'000;  // the limit of the reference implementation

// False on overflow: a header may claim any shape.
bool multiply(size_t& product, uint64_t factor) { return !__builtin_mul_overflow(product, factor, &product); }

}  // namespace

void SafetensorsFile::refuse(const std::string& why) const {
  fail("{} is not a valid safetensors file: {}", path(), why);
}

SafetensorsFile::SafetensorsFile(const std::string& path) : TensorFile(path) {
  const std::string_view file = content();
  LL_CHECK(file.size() >= 8, "{} is not a safetensors file: it has {} bytes, the header's length alone takes 8", path,
           file.size());
  uint64_t header = 0;
  std::memcpy(&header, file.data(), sizeof header);  // x86: little-endian, as in the file
  if (header > kLargestHeader) {
    refuse(fmt::format("its header would have {} bytes, more than the {} allowed", header, kLargestHeader));
  }
  if (header > file.size() - 8) {
    refuse(fmt::format("its header has {} bytes, but only {} follow (is the file cut off?)", header, file.size() - 8));
  }
  const std::string_view data = file.substr(8 + header);
  std::vector<TensorInfo> tensors = parse(file.substr(8, header));
  check_layout(tensors, data.size());
  set_tensors(data, std::move(tensors));
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

std::vector<TensorInfo> SafetensorsFile::parse(std::string_view header) {
  std::vector<TensorInfo> tensors;
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
    tensors.push_back(std::move(t));
  }
  return tensors;
}

void SafetensorsFile::check_layout(const std::vector<TensorInfo>& tensors, size_t data_bytes) const {
  for (const TensorInfo& t : tensors) {
    if (t.end > data_bytes) {
      refuse(fmt::format("tensor `{}` ends at byte {} of the data, which has {} (is the file cut off?)", t.name, t.end,
                         data_bytes));
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
  for (const TensorInfo& t : tensors) order.push_back(&t);
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
  if (expected != data_bytes) refuse(fmt::format("{} bytes follow the last tensor", data_bytes - expected));
}

}  // namespace lowland
