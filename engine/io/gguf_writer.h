// Writes GGUF files of version 3 (engine/io/gguf.h): metadata, then one tensor at a time, so that no second copy of a
// model is held, under a temporary name that becomes the file's at finish().
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/atomic_file.h"
#include "engine/io/gguf_metadata.h"
#include "engine/io/tensor_file.h"

namespace lowland {

// Keys and values in the order of writing. Error on a number that its kind does not hold.
class GgufKeys {
 public:
  void text(const std::string& key, std::string_view value);
  void whole(const std::string& key, int64_t value);  // as u32
  void number(const std::string& key, double value);  // as f32
  void flag(const std::string& key, bool value);
  void texts(const std::string& key, const std::vector<std::string>& values);
  void wholes(const std::string& key, const std::vector<int32_t>& values);
  void numbers(const std::string& key, const std::vector<float>& values);
  void copy(const std::string& key, const GgufValue& value);  // out of another file

  size_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  void begin(const std::string& key, GgufKind kind);
  void begin_list(const std::string& key, GgufKind kind, size_t count);
  template <class T> void raw(T x) { bytes_.append(reinterpret_cast<const char*>(&x), sizeof x); }

  std::string bytes_;
  size_t count_ = 0;
};

class GgufWriter {
 public:
  // plan: name, dtype (F32, F16, BF16, Q8_0 or Q4_0) and shape of every tensor, in the order of writing. Error on a row
  // that blocks do not fill, and on a name given twice.
  GgufWriter(const std::string& path, const GgufKeys& keys, std::vector<TensorInfo> plan);

  const std::vector<TensorInfo>& plan() const { return plan_; }
  // The next tensor of the plan, of f32, converted: rounded once, or quantised as ggml does. Error on a number that is
  // not finite as it is written.
  void append(const std::string& name, const Tensor& x);
  // Error unless everything planned was appended. Without finish(), nothing is left behind.
  void finish();

 private:
  void encode(const TensorInfo& t, const float* values, int64_t count);

  std::string path_;
  std::vector<TensorInfo> plan_;
  size_t done_ = 0;
  std::string part_;  // encoded numbers
  AtomicFile file_;
};

}  // namespace lowland
