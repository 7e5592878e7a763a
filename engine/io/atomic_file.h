// Files and folders that appear whole or not at all. Both are written under a temporary name in the same
// folder, synced to the disk and renamed; a crash at any moment leaves what was there before, or the new
// content. Temporaries of a process that died are removed by the next one that writes there (a lock tells
// them from those in use). All errors are Errors that name the file and the system's reason ("No space left
// on device").
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace lowland {

class AtomicFile {
 public:
  // Opens a temporary beside `path`. The folder must exist.
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();  // without commit(): removes the temporary
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  std::string path_, temporary_;
  int fd_ = -1;
};

void write_file_atomically(const std::string& path, std::string_view content);

class AtomicDirectory {
 public:
  // Makes an empty temporary folder beside `path`, and the folders above it if need be.
  explicit AtomicDirectory(const std::string& path);
  ~AtomicDirectory();  // without commit(): removes the temporary with all it holds
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  const std::string& temporary() const { return temporary_; }  // write the content here
  const std::string& path() const { return path_; }
  // Syncs every file and folder and takes the name `path`. A folder that was there is exchanged in one step
  // and removed (on file systems without that step there is a moment with neither, never one with a part).
  void commit();

 private:
  std::string path_, temporary_;
  int lock_ = -1;
};

// Removes what dead processes left in `folder`. Called by both constructors; harmless at any time.
void remove_stale_temporaries(const std::string& folder);

// The whole file, or an Error that names it. `limit`: refuse a larger file (JSON files of a model are small).
std::string read_file(const std::string& path, size_t limit = size_t{1} << 30);

}  // namespace lowland
