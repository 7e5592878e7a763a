// Records of the E2E set, of meanings and sentences that say them: lines `name : X | food : Y||A sentence .` of a .txt,
// as the authors of LoRA publish it, or the columns mr and ref of a table, as the E2E challenge does.
#pragma once
#include <string>
#include <vector>

#include "apps/data/language_records.h"

namespace lowland {

// prompt: the meaning; completion: the sentence behind a space. Blanks around both are taken off. Throws Error, naming
// file:line, on a line without either, and on a file without any.
std::vector<LanguageRecord> read_e2e(const std::string& file);

}  // namespace lowland
