// A changed text that knows where its bytes come from.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lowland {

struct MappedText {
  std::string text;
  // source_end[j]: how many bytes of the source text[0..j] stands for. Kept up only where it is asked for.
  std::vector<uint32_t> source_end;
};

// The identity: source_end of a text of n bytes.
void start_map(std::vector<uint32_t>& source_end, size_t n);

// Writes a text anew from left to right; what is not passed is kept. The text changes with finish().
class Rewrite {
 public:
  Rewrite(MappedText& text, bool mapped);
  // The next n bytes: as they are, or left out, or `with` in their place.
  void keep(size_t n);
  void drop(size_t n) { at_ += n; }
  void replace(size_t n, std::string_view with);
  void insert(std::string_view with) { replace(0, with); }
  // The end of the new text so far, in bytes.
  size_t size() const { return text_.size(); }
  void finish();

 private:
  MappedText& source_;
  bool mapped_;
  size_t at_ = 0;
  std::string text_;
  std::vector<uint32_t> ends_;
};

// One step each.
void prepend(MappedText& out, std::string_view prefix, bool mapped);
// from is not empty.
void replace(MappedText& out, std::string_view from, std::string_view to, bool mapped);

}  // namespace lowland
