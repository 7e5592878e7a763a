#include "engine/io/content_hash.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include <xxhash.h>

#include "engine/error.h"

namespace lowland {
namespace {

constexpr size_t kPart = size_t{16} << 20, kRead = size_t{1} << 20;

std::string hex(const XXH128_hash_t& hash) { return fmt::format("{:016x}{:016x}", hash.high64, hash.low64); }

std::string hash_of_parts(const std::vector<XXH128_hash_t>& parts) {
  if (parts.size() == 1) return hex(parts[0]);
  std::vector<XXH128_canonical_t> bytes(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) XXH128_canonicalFromHash(&bytes[i], parts[i]);
  return hex(XXH3_128bits(bytes.data(), bytes.size() * sizeof bytes[0]));
}

size_t parts_of(size_t bytes) { return std::max<size_t>(1, (bytes + kPart - 1) / kPart); }

class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : path_(path) {
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO must not be waited for
    if (fd_ < 0) fail("cannot read {}: {}", path, std::system_category().message(errno));
    const bool known = ::fstat(fd_, &info_) == 0 && S_ISREG(info_.st_mode);
    if (!known) ::close(fd_);
    LL_CHECK(known, "cannot read {}: it is not a file", path);
  }
  ~OpenFile() { ::close(fd_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  const struct stat& info() const { return info_; }
  size_t size() const { return info_.st_size; }

  // The hash of one part; an errno, or -1 where the file ends early, in `error`.
  XXH128_hash_t part(size_t index, std::vector<char>& buffer, int& error) const {
    XXH3_state_t* state = XXH3_createState();
    XXH3_128bits_reset(state);
    const size_t end = std::min(size(), (index + 1) * kPart);
    for (size_t at = index * kPart; at < end;) {
      const ssize_t n = ::pread(fd_, buffer.data(), std::min(buffer.size(), end - at), static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        error = n == 0 ? -1 : errno;
        break;
      }
      XXH3_128bits_update(state, buffer.data(), n);
      at += n;
    }
    const XXH128_hash_t hash = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    return hash;
  }

  std::string hash() const {
    std::vector<XXH128_hash_t> parts(parts_of(size()));
    std::atomic<size_t> next{0};
    std::atomic<int> error{0};
    const auto work = [&] {
      std::vector<char> buffer(kRead);
      for (size_t i = next++; i < parts.size() && error == 0; i = next++) {
        int why = 0;
        parts[i] = part(i, buffer, why);
        if (why != 0) error = why;
      }
    };
    std::vector<std::thread> helpers;
    const size_t threads = std::min<size_t>({parts.size(), std::max(1u, std::thread::hardware_concurrency()), 8});
    for (size_t i = 1; i < threads; ++i) helpers.emplace_back(work);
    work();
    for (std::thread& helper : helpers) helper.join();
    LL_CHECK(error != -1, "cannot read {}: it became shorter while it was read", path_);
    if (error != 0) fail("cannot read {}: {}", path_, std::system_category().message(error));
    return hash_of_parts(parts);
  }

 private:
  std::string path_;
  int fd_ = -1;
  struct stat info_ {};
};

// What tells a file from what it was, without reading it.
struct Stamp {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  int64_t seconds = 0, nanoseconds = 0;  // of the content's last change
  int64_t touched = 0;                   // of any change, which no program can set: in nanoseconds
  explicit Stamp(const struct stat& s)
      : device(s.st_dev),
        inode(s.st_ino),
        size(s.st_size),
        seconds(s.st_mtim.tv_sec),
        nanoseconds(s.st_mtim.tv_nsec),
        touched(int64_t{s.st_ctim.tv_sec} * 1'000'000'000 + s.st_ctim.tv_nsec) {}
  bool operator==(const Stamp&) const = default;
};

// The one thing that a process remembers outside a Context: what it answers is a function of the file alone.
struct Memo {
  std::mutex mutex;
  std::map<std::string, std::pair<Stamp, std::string>> hashes;
};

}  // namespace

std::string content_hash_of(std::string_view content) {
  std::vector<XXH128_hash_t> parts(parts_of(content.size()));
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string_view part = content.substr(i * kPart, kPart);
    parts[i] = XXH3_128bits(part.data(), part.size());
  }
  return hash_of_parts(parts);
}

std::string content_hash(const std::string& path) {
  static Memo memo;
  const OpenFile file(path);
  const Stamp stamp(file.info());
  {
    const std::lock_guard lock(memo.mutex);
    const auto known = memo.hashes.find(path);
    if (known != memo.hashes.end() && known->second.first == stamp) return known->second.second;
  }
  const bool settled = stamp.seconds + 2 < std::time(nullptr);
  std::string hash = file.hash();
  if (settled) {
    const std::lock_guard lock(memo.mutex);
    memo.hashes.insert_or_assign(path, std::pair(stamp, hash));
  }
  return hash;
}

}  // namespace lowland
