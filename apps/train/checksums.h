// checksums.json of a checkpoint: size and hash of every other file in its folder, and a hash of itself, so that any
// damage is seen before anything is read.
#pragma once
#include <filesystem>
#include <string>

namespace lowland::apps {

// Of the files that are in the folder now.
void write_checksums(const std::filesystem::path& folder);

// What is wrong with the folder, in words that name the file: "optimizer.safetensors is damaged"; empty if it is whole.
std::string checksum_fault(const std::filesystem::path& folder);

}  // namespace lowland::apps
