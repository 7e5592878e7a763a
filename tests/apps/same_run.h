// Two folders of runs, file by file.
#pragma once
#include <filesystem>
#include <string>

namespace lowland::test {

// The first difference, empty where there is none: the same files with the same bytes, fields of time and memory (and
// the place of the run itself) aside. report.html must be what its own folder's files make.
std::string run_difference(const std::filesystem::path& a, const std::filesystem::path& b);

}  // namespace lowland::test
