#include "apps/families/print_rows.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include <fmt/format.h>

#include "apps/common/terminal.h"
#include "models/tokenizers/printable.h"

namespace lowland::apps {

void print_rows_head(int64_t begin, int64_t end) {
  std::printf("rows [%lld, %lld)\n  position       id  loss  piece\n", static_cast<long long>(begin),
              static_cast<long long>(end));
}

void print_row(int64_t position, int32_t id, bool learnt, std::string_view piece) {
  const std::string line = fmt::format("{:>10} {:>8}  {:<4}  {}", position < 0 ? "-" : fmt::format("{}", position), id,
                                       learnt ? "yes" : "", printable(piece));
  const bool green = learnt && has_colours(STDOUT_FILENO);
  std::printf("%s%s%s\n", green ? "\033[32m" : "", line.c_str(), green ? "\033[0m" : "");
}

void print_rows(int64_t first, int64_t last, int32_t id, std::string_view what) {
  std::printf(
      "%s\n",
      fmt::format("{:>10} {:>8}  {:<4}  {}", fmt::format("{}-{}", first, last), id, "", printable(what)).c_str());
}

}  // namespace lowland::apps
