// A hash of content (XXH3 of the xxHash library, 128 bits): tells damaged and changed files from those they were. It is
// no signature: whoever wants to can make two files with one hash.
#pragma once
#include <string>
#include <string_view>

namespace lowland {

// 32 hexadecimal digits. Up to 16 MiB this is XXH3-128 of the content (`xxhsum -H2` prints the same); of more it is
// XXH3-128 of the hashes of its parts of 16 MiB, one after another as bytes, so that threads share the work.
std::string content_hash_of(std::string_view content);

// content_hash_of what the file holds, without mapping it. Asked again in this process for a file of the same path,
// inode, size and time of change, it answers at once (a file that changed less than two seconds before it was hashed
// is hashed again: its time may not tell the next change). Any thread may call it. Error, naming the file, where it
// cannot be read, is no file, or becomes shorter meanwhile.
std::string content_hash(const std::string& path);

}  // namespace lowland
