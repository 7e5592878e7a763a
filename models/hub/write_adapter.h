// Writing an adapter as a folder for peft.
#pragma once
#include <string>

#include "models/hub/peft_adapter.h"

namespace lowland {

// Writes the adapter's files, in f32, into the existing folder, reads them back and compares. Put an AtomicDirectory
// around it. Throws Error on an adapter that peft or load_adapter would refuse.
void write_adapter_files(const std::string& folder, LoadedAdapter adapter);
// The folder whole or not at all; an existing one is replaced.
void save_adapter(const std::string& folder, LoadedAdapter adapter);

}  // namespace lowland
