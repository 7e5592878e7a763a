// Parquet has no reader here.
#pragma once
#include <string>

namespace lowland {

// Error for a path that ends in .parquet, with the line of Python that makes a .jsonl of it.
void refuse_parquet(const std::string& path);

}  // namespace lowland
