// Tokens per second of one thread: the whole of a text, by documents (first time and with words known) and by
// lines.
//   tokenizer_bench FOLDER TEXT            TEXT: a text file, or a .tar.gz whose files are joined (needs tar)
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "engine/error.h"
#include "models/tokenizers/tokenizer.h"

using namespace lowland;

namespace {

std::string read_text(const std::string& path) {
  if (!path.ends_with(".tar.gz")) {
    std::ifstream in(path, std::ios::binary);
    LL_CHECK(in.good(), "{}: cannot be opened for reading", path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }
  std::FILE* pipe = popen(("tar -xzOf '" + path + "'").c_str(), "r");
  LL_CHECK(pipe != nullptr, "{}: tar cannot be started", path);
  std::string text;
  char block[1 << 16];
  for (size_t n; (n = std::fread(block, 1, sizeof block, pipe)) > 0;) text.append(block, n);
  LL_CHECK(pclose(pipe) == 0 && !text.empty(), "{}: cannot be unpacked", path);
  return text;
}

// Cuts behind newlines, every `bytes` bytes or at each one (0).
std::vector<std::string_view> cut(std::string_view text, size_t bytes) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const size_t at = text.find('\n', std::min(bytes, text.size() - 1));
    const size_t n = at == std::string_view::npos ? text.size() : at + 1;
    out.push_back(text.substr(0, n));
    text.remove_prefix(n);
  }
  return out;
}

void time(const char* name, const Tokenizer& tokenizer, Tokenizer::Scratch& scratch,
          const std::vector<std::string_view>& texts) {
  std::vector<int32_t> ids;
  size_t tokens = 0, bytes = 0;
  const auto start = std::chrono::steady_clock::now();
  for (const std::string_view text : texts) {
    ids.clear();
    tokenizer.encode(text, {.parse_special = false}, scratch, ids);
    tokens += ids.size();
    bytes += text.size();
  }
  const double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print("{:<28} {:>9} texts {:>11} tokens {:>8.3f} s {:>7.1f} M tokens/s {:>7.1f} MB/s\n", name, texts.size(),
             tokens, s, static_cast<double>(tokens) / s / 1e6, static_cast<double>(bytes) / s / 1e6);
}

}  // namespace

int main(int argc, char** argv) try {
  LL_CHECK(argc == 3, "usage: {} FOLDER TEXT", argv[0]);
  const auto tokenizer = load_tokenizer(argv[1]);
  const std::string text = read_text(argv[2]);
  const auto documents = cut(text, 400'000), lines = cut(text, 0);
  const auto scratch = tokenizer->make_scratch();
  time("documents, empty cache", *tokenizer, *scratch, documents);
  time("documents, cache in use", *tokenizer, *scratch, documents);
  time("lines, cache in use", *tokenizer, *scratch, lines);
} catch (const std::exception& e) {
  fmt::print(stderr, "error: {}\n", e.what());
  return 1;
}
