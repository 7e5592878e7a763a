#include "engine/io/torch_file.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "engine/error.h"
#include "engine/io/pickle.h"
#include "engine/io/printable.h"
#include "engine/io/torch_globals.h"
#include "engine/io/zip_file.h"

namespace lowland {
namespace {

using Kind = Pickle::Kind;
using Value = Pickle::Value;
using Storages = std::map<std::string_view, std::string_view>;  // key -> bytes

constexpr size_t kMostTensors = 200'000, kHighestRank = 32;
constexpr size_t kExpanded = size_t{1} << 20;  // bytes that a tensor may have beyond its storage's, as expand() makes

// What a pickle says of storages and tensors. Every function throws Error where the pickle says something else than
// torch.save would.
class TensorReader {
 public:
  TensorReader(const std::string& path, const Pickle& pickle, std::string_view file)
      : path_(path), pickle_(pickle), file_(file) {}

  [[noreturn]] void refuse(const std::string& why) const { fail("{} cannot be read: {}", path_, why); }

  struct Storage {
    std::string_view key, dtype;  // dtype empty: bytes
    int64_t count = 0;            // of elements
    size_t bytes() const { return count * element(); }
    size_t element() const { return dtype.empty() ? 1 : file_dtype_bytes(dtype); }
  };

  // A persistent id: ("storage", class, key, device, count), with a sixth that is None in files of old.
  Storage storage_of(const Value& value) const {
    const Value& id = value.kind == Kind::persistent ? pickle_[value.arguments] : value;
    const bool fits = value.kind == Kind::persistent && id.kind == Kind::tuple && id.items.size() >= 5 &&
                      item(id, 0).text == "storage" && item(id, 1).kind == Kind::global &&
                      item(id, 2).kind == Kind::text && item(id, 4).kind == Kind::integer;
    if (!fits) refuse("a storage in it is not described as torch.save does");
    const TorchGlobal& type = torch_global(item(id, 1).integer);
    if (type.role != TorchRole::storage && type.role != TorchRole::untyped_storage)
      refuse(fmt::format("a storage in it has the type {}.{}", type.module, type.name));
    if (id.items.size() > 6 || (id.items.size() == 6 && item(id, 5).kind != Kind::none))
      refuse("a storage in it is a view of another, as torch before 0.4 wrote them: load and save it with torch once");
    const Storage storage{.key = item(id, 2).text, .dtype = type.dtype, .count = item(id, 4).integer};
    if (storage.count < 0 || static_cast<uint64_t>(storage.count) > file_.size() / storage.element()) {
      refuse(fmt::format("storage `{}` would have {} elements, more than the file can hold (is it cut off?)",
                         printable(storage.key), storage.count));
    }
    return storage;
  }

  // The dict of tensors: the pickle's own, or the one under a usual name.
  const Value& state_dict() const {
    const Value* root = as_dict(pickle_.root());
    if (root == nullptr) refuse("it holds no state dict");
    if (holds_tensors(*root)) return *root;
    for (const std::string_view key : {"state_dict", "model_state_dict", "model", "module"}) {
      for (size_t i = 0; i + 1 < root->items.size(); i += 2) {
        if (item(*root, i).kind != Kind::text || item(*root, i).text != key) continue;
        const Value* inner = as_dict(item(*root, i + 1));
        if (inner != nullptr && holds_tensors(*inner)) return *inner;
      }
    }
    refuse("it holds no state dict: no dict of named tensors");
  }

  std::vector<TensorInfo> tensors(const Storages& storages) const {
    const Value& dict = state_dict();
    std::vector<TensorInfo> found;
    size_t total = 0;
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const Value &key = item(dict, i), &value = item(dict, i + 1);
      if (key.kind != Kind::text || !is_tensor(value)) continue;  // counters, settings
      if (found.size() == kMostTensors) refuse(fmt::format("it has more than {} tensors", kMostTensors));
      found.push_back(tensor(std::string(key.text), value, storages));
      total += numel_of(found.back().shape) * std::max<size_t>(1, file_dtype_bytes(found.back().dtype));
      // Tied weights are one storage under several names; a file of a few bytes must not become terabytes.
      if (total > 8 * file_.size() + 32 * kExpanded)
        refuse("its tensors share so much that they are far larger than it");
    }
    return found;
  }

 private:
  const Value& item(const Value& of, size_t i) const { return pickle_[of.items[i]]; }

  TorchRole role(const Value& call) const { return torch_global(call.integer).role; }

  const Value* as_dict(const Value& value) const {
    const bool dict = value.kind == Kind::dict || (value.kind == Kind::call && role(value) == TorchRole::ordered_dict);
    return dict ? &value : nullptr;
  }

  bool is_tensor(const Value& value) const { return value.kind == Kind::call && role(value) >= TorchRole::tensor; }

  bool holds_tensors(const Value& dict) const {
    for (size_t i = 1; i < dict.items.size(); i += 2)
      if (is_tensor(item(dict, i))) return true;
    return false;
  }

  std::vector<int64_t> numbers(const Value& value, const std::string& name) const {
    const Value* tuple = &value;  // torch.Size(tuple) as well
    if (value.kind == Kind::call && role(value) == TorchRole::opaque) {
      const Value& arguments = pickle_[value.arguments];
      if (arguments.items.size() == 1) tuple = &item(arguments, 0);
    }
    if (tuple->kind != Kind::tuple || tuple->items.size() > kHighestRank) malformed(name);
    std::vector<int64_t> found;
    for (size_t i = 0; i < tuple->items.size(); ++i) {
      const Value& number = item(*tuple, i);
      if (number.kind != Kind::integer || !number.text.empty() || number.integer < 0) malformed(name);
      found.push_back(number.integer);
    }
    return found;
  }

  [[noreturn]] void malformed(const std::string& name) const {
    refuse(fmt::format("tensor `{}` is not described as torch.save does", printable(name)));
  }

  // The call that makes the tensor itself: parameters and subclasses are wrapped around it.
  struct Plain {
    const Value* arguments;
    TorchRole role;
  };
  Plain unwrap(const std::string& name, const Value& value) const {
    const Value* call = &value;
    for (int depth = 0; depth < 4; ++depth) {
      if (!is_tensor(*call)) malformed(name);
      const Value& arguments = pickle_[call->arguments];
      TorchRole what = role(*call);
      if (what == TorchRole::from_type) {
        if (arguments.items.size() < 3 || item(arguments, 0).kind != Kind::global) malformed(name);
        const Value& type = item(arguments, 1);
        const Value& inner = item(arguments, 2);
        if (type.kind != Kind::global || role(type) != TorchRole::tensor_class || inner.kind != Kind::tuple)
          malformed(name);
        what = role(item(arguments, 0));
        if (what == TorchRole::tensor || what == TorchRole::tensor_of_dtype) return {&inner, what};
        if (what != TorchRole::parameter || inner.items.empty()) malformed(name);
        call = &item(inner, 0);
        continue;
      }
      if (what == TorchRole::tensor || what == TorchRole::tensor_of_dtype) return {&arguments, what};
      if (arguments.items.empty()) malformed(name);
      call = &item(arguments, 0);
    }
    malformed(name);
  }

  TensorInfo tensor(std::string name, const Value& value, const Storages& storages) const {
    const auto [arguments, what] = unwrap(name, value);
    const std::vector<Pickle::Ref>& a = arguments->items;
    const size_t least = what == TorchRole::tensor ? 4 : 7;
    if (a.size() < least || item(*arguments, 1).kind != Kind::integer) malformed(name);
    const Storage storage = storage_of(item(*arguments, 0));
    TensorInfo t;
    t.name = std::move(name);
    t.dtype = storage.dtype;
    if (what == TorchRole::tensor_of_dtype) {
      const Value& dtype = item(*arguments, 6);
      if (dtype.kind != Kind::global || role(dtype) != TorchRole::dtype) malformed(t.name);
      t.dtype = torch_global(dtype.integer).dtype;
    }
    if (t.dtype.empty()) malformed(t.name);  // bytes of no dtype
    const size_t metadata = what == TorchRole::tensor ? 6 : 7;
    if (a.size() > metadata && item(*arguments, metadata).kind != Kind::none &&
        !item(*arguments, metadata).items.empty())
      refuse(fmt::format("tensor `{}` is marked as conjugate or negative, which is not supported", printable(t.name)));
    t.shape = numbers(item(*arguments, 2), t.name);
    t.strides = numbers(item(*arguments, 3), t.name);
    if (t.shape.size() != t.strides.size()) malformed(t.name);
    const auto bytes = storages.find(storage.key);
    if (bytes == storages.end())
      refuse(fmt::format("storage `{}` of tensor `{}` is not in it", printable(storage.key), printable(t.name)));
    if (bytes->second.size() != storage.bytes()) {
      refuse(fmt::format("storage `{}` has {} bytes where tensor `{}` needs {}", printable(storage.key),
                         bytes->second.size(), printable(t.name), storage.bytes()));
    }
    place(t, item(*arguments, 1).integer, bytes->second);
    return t;
  }

  // Where the tensor lies, from an offset in elements; it must lie inside its storage.
  void place(TensorInfo& t, int64_t offset, std::string_view storage) const {
    const auto element = static_cast<int64_t>(file_dtype_bytes(t.dtype));
    const int64_t count = static_cast<int64_t>(storage.size()) / element;
    int64_t numel = 1, span = 1;  // span: from the first element to behind the last
    bool fits = offset >= 0 && offset <= count;
    for (size_t d = 0; d < t.shape.size() && fits; ++d) {
      int64_t reach = 0;
      fits = !__builtin_mul_overflow(numel, t.shape[d], &numel) &&
             !__builtin_mul_overflow(std::max<int64_t>(t.shape[d] - 1, 0), t.strides[d], &reach) &&
             !__builtin_add_overflow(span, reach, &span);
    }
    if (numel == 0) span = 0;
    if (!fits || span > count - offset) {
      refuse(fmt::format("tensor `{}` of shape {} lies outside its storage of {} elements", printable(t.name),
                         to_string(t.shape), count));
    }
    if (numel > count && static_cast<size_t>(numel - count) * element > kExpanded) {
      refuse(fmt::format("tensor `{}` of shape {} repeats a storage of {} elements", printable(t.name),
                         to_string(t.shape), count));
    }
    t.begin = storage.data() - file_.data() + offset * element;
    t.end = t.begin + span * element;
    int64_t expected = 1;
    bool contiguous = true;
    for (size_t d = t.shape.size(); d-- > 0;) {
      contiguous = contiguous && (t.shape[d] == 1 || t.strides[d] == expected);
      expected *= std::max<int64_t>(t.shape[d], 1);
    }
    if (contiguous || numel == 0) t.strides.clear();
  }

  const std::string& path_;
  const Pickle& pickle_;
  std::string_view file_;
};

constexpr const char* kConvert = "load it with torch.load and save it with torch.save once, or as safetensors";

// The form of torch 1.6 and later.
std::vector<TensorInfo> read_archive(const std::string& path, std::string_view file) {
  const ZipArchive archive(path, file);
  std::string folder;
  for (const ZipEntry& e : archive.entries()) {
    if (e.name.ends_with("/data.pkl") && std::count(e.name.begin(), e.name.end(), '/') == 1)
      folder = e.name.substr(0, e.name.size() - std::string_view("data.pkl").size());
  }
  LL_CHECK(!folder.empty(), "{} cannot be read: it is a zip archive, but not one of torch.save (no data.pkl)", path);
  LL_CHECK(archive.find(folder + "constants.pkl") == nullptr,
           "{} cannot be read: it is a TorchScript program, not a file of weights", path);
  if (const ZipEntry* order = archive.find(folder + "byteorder"))
    LL_CHECK(order->bytes == "little", "{} cannot be read: it was written on a big-endian machine; {}", path, kConvert);
  const Pickle pickle(path, archive.find(folder + "data.pkl")->bytes, find_torch_global);
  Storages storages;
  const std::string data = folder + "data/";
  for (const ZipEntry& e : archive.entries())
    if (e.name.starts_with(data)) storages[e.name.substr(data.size())] = e.bytes;
  return TensorReader(path, pickle, file).tensors(storages);
}

// The form before: pickles of a magic number, a version, the machine, the object and the storages' keys; then each
// storage, its number of elements (8 bytes) before it.
std::vector<TensorInfo> read_legacy(const std::string& path, std::string_view file) {
  constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  std::string_view rest = file;
  const auto next = [&] {
    Pickle pickle(path, rest, find_torch_global);
    rest.remove_prefix(pickle.size());
    return pickle;
  };
  LL_CHECK(next().root().text == kMagic, "{} cannot be read: it is a pickle, but not one of torch.save", path);
  LL_CHECK(next().root().integer == 1001, "{} cannot be read: it is of another version of torch.save", path);
  const Pickle machine = next();
  for (size_t i = 0; i + 1 < machine.root().items.size(); i += 2) {
    LL_CHECK(
        machine[machine.root().items[i]].text != "little_endian" || machine[machine.root().items[i + 1]].integer == 1,
        "{} cannot be read: it was written on a big-endian machine; {}", path, kConvert);
  }
  const Pickle object = next(), keys = next();
  const TensorReader reader(path, object, file);
  std::map<std::string_view, TensorReader::Storage> described;
  for (const Value& value : object.values()) {
    if (value.kind != Kind::persistent) continue;
    const TensorReader::Storage storage = reader.storage_of(value);
    described[storage.key] = storage;
  }
  Storages storages;
  for (const Pickle::Ref ref : keys.root().items) {
    const auto storage = described.find(keys[ref].text);
    if (storage == described.end()) reader.refuse("it lists a storage that no tensor uses");
    uint64_t count = 0;
    const size_t bytes = storage->second.bytes();
    if (rest.size() < sizeof count || rest.size() - sizeof count < bytes)
      reader.refuse("its storages end too early: is the file cut off?");
    std::memcpy(&count, rest.data(), sizeof count);
    if (count != static_cast<uint64_t>(storage->second.count))
      reader.refuse(fmt::format("storage `{}` has two different lengths", printable(storage->first)));
    storages[storage->first] = rest.substr(sizeof count, bytes);
    rest.remove_prefix(sizeof count + bytes);
  }
  return reader.tensors(storages);
}

}  // namespace

TorchFile::TorchFile(const std::string& path) : TensorFile(path) {
  const std::string_view file = content();
  const bool zip = file.starts_with("PK\3\4");
  LL_CHECK(zip || file.starts_with("\x80"), "{} is neither a file of torch.save nor one of safetensors", path);
  std::vector<TensorInfo> tensors = zip ? read_archive(path, file) : read_legacy(path, file);
  set_tensors(file, std::move(tensors));
  for (size_t i = 1; i < this->tensors().size(); ++i) {
    const std::string& name = this->tensors()[i].name;
    LL_CHECK(name != this->tensors()[i - 1].name, "{} cannot be read: it has tensor `{}` twice", path, printable(name));
  }
}

}  // namespace lowland
