// Tables of each format and lists of JSON records; the first byte chooses.
#include "apps/data/records.h"
#include "apps/data/json_records.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

LL_FUZZ_TARGET(records) {
  if (size == 0) return 0;
  const MemoryFile memory(as_text(data + 1, size - 1));
  if (data[0] % 4 == 3) {
    attempt([&] { for_each_json_record(memory.path(), [](const nlohmann::ordered_json&, const std::string&) {}); });
    return 0;
  }
  const RecordSpec spec{.format = static_cast<TableFormat>(data[0] % 4),
                        .names = {"sentence", "label"},
                        .required = 1,
                        .strict = data[0] % 8 < 4};
  attempt([&] {
    RecordReader reader(memory.path(), spec);
    std::vector<Cell> cells;
    while (reader.next(cells) != RecordReader::Status::end) {}
  });
  return 0;
}
