// What the inspect verbs print, the same for every family.
#pragma once
#include <cstdint>
#include <string_view>

#include "apps/common/memory_plan.h"

namespace lowland::apps {

// Above the rows of an example, which lie at [begin, end) of a packed batch.
void print_rows_head(int64_t begin, int64_t end);
// One token. position: of its row, -1 for one that is a target only. learnt: it carries loss (green on a terminal).
void print_row(int64_t position, int32_t id, bool learnt, std::string_view piece);
// Rows [first, last] that are one thing, an image of this id: a line for all of them.
void print_rows(int64_t first, int64_t last, int32_t id, std::string_view what);

// Adapted modules with their shapes, the parameters line, and the predicted memory.
void print_model(const nn::Model& model, const MemoryPlan& plan, size_t free_bytes);

}  // namespace lowland::apps
