// What the verb inspect prints of an example's rows.
#pragma once
#include <cstdint>
#include <string_view>

namespace lowland::apps {

// Above the rows of an example, which lie at [begin, end) of a packed batch.
void print_rows_head(int64_t begin, int64_t end);
// One token. position: of its row, -1 for one that is a target only. learnt: it carries loss (green on a terminal).
void print_row(int64_t position, int32_t id, bool learnt, std::string_view piece);
// Rows [first, last] that are one thing, an image of this id: a line for all of them.
void print_rows(int64_t first, int64_t last, int32_t id, std::string_view what);

}  // namespace lowland::apps
