// Pictures that are missing or damaged, before a run finds them out in its third hour.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "models/images/image.h"

namespace lowland {

// Files that cannot be read as a picture, and why. Each is read in whole, on `threads` threads.
std::map<std::string, std::string> unreadable_pictures(std::vector<std::string> files, int threads);
// Error "WHERE: the picture FILE does not exist". Looks at the disk, not into the file.
void check_picture_exists(const std::string& file, const std::string& where);
// The picture, or an Error that begins with the place that named it.
Image read_picture(const std::string& file, const std::string& where);

}  // namespace lowland
