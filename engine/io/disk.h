// What is on the disk, and what goes from it.
#pragma once
#include <string>

namespace lowland {

// What was written to a file, or the names in a folder, is on the disk. Error where that fails.
void sync_path(const std::string& path);

// Removes a file or a folder with all it holds, if there is one: under its name it is whole or gone. Error where it
// cannot be taken away.
void remove_atomically(const std::string& path);

}  // namespace lowland
