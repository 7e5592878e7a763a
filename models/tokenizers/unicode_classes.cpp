#include "models/tokenizers/unicode_classes.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <map>

namespace lowland {
namespace {

enum Category : uint8_t {
  kLu,
  kLl,
  kLt,
  kLm,
  kLo,
  kMn,
  kMc,
  kMe,
  kNd,
  kNl,
  kNo,
  kPc,
  kPd,
  kPs,
  kPe,
  kPi,
  kPf,
  kPo,
  kSm,
  kSc,
  kSk,
  kSo,
  kZs,
  kZl,
  kZp,
  kCc,
  kCf,
  kCo,
  kCn,
};
constexpr std::string_view kNames = "lullltlmlomnmcmendnlnopcpdpspepipfposmscsksozszlzpcccfcocn";

struct CategoryRun {
  Category category;
  uint32_t length;
};
struct ClassRange {
  UnicodeClass bit;
  char32_t first, last;
};
struct CaseStep {
  char32_t first, last;
  uint32_t step;
  int32_t difference;
};
struct ScriptRange {
  const char* name;
  char32_t first, last;
};
#include "models/tokenizers/unicode_tables.inc"

// What the classes of a category are, but for the differences of the table.
uint16_t usual_classes(Category category) {
  if (category <= kLo) return kL | kW;
  if (category <= kMe) return static_cast<uint16_t>(kW | kAccent | (category == kMn ? kNonspacing : 0));
  if (category <= kNo) return static_cast<uint16_t>(kN | kNumeric | (category == kNo ? 0 : kW));
  if (category <= kPo) return static_cast<uint16_t>(kPunctuation | (category == kPc ? kW : 0));
  if (category <= kSo) return 0;
  if (category == kCn) return 0;
  return category <= kZp ? kS : kControl;
}

// The long names of the categories that have one, as expressions write them.
struct LongName {
  const char *name, *category;
};
constexpr LongName kLongNames[] = {
    {"letter", "l"},
    {"mark", "m"},
    {"number", "n"},
    {"punctuation", "p"},
    {"symbol", "s"},
    {"separator", "z"},
    {"other", "c"},
    {"uppercaseletter", "lu"},
    {"lowercaseletter", "ll"},
    {"titlecaseletter", "lt"},
    {"modifierletter", "lm"},
    {"otherletter", "lo"},
    {"nonspacingmark", "mn"},
    {"spacingmark", "mc"},
    {"enclosingmark", "me"},
    {"decimalnumber", "nd"},
    {"letternumber", "nl"},
    {"othernumber", "no"},
    {"mathsymbol", "sm"},
    {"currencysymbol", "sc"},
    {"modifiersymbol", "sk"},
    {"othersymbol", "so"},
    {"spaceseparator", "zs"},
    {"control", "cc"},
    {"format", "cf"},
    {"privateuse", "co"},
    {"unassigned", "cn"},
    {"digit", "nd"},
};

CodeSet category_set(std::string_view name) {
  CodeSet out;
  char32_t at = 0;
  for (const CategoryRun& run : kCategoryRuns) {
    if (kNames.substr(run.category * 2u, name.size()) == name) out.add(at, at + run.length - 1);
    at += run.length;
  }
  return out;
}

}  // namespace

UnicodeClasses::UnicodeClasses() {
  std::vector<uint16_t> bits;
  bits.reserve(CodeSet::kLast + 1);
  for (const CategoryRun& run : kCategoryRuns) bits.insert(bits.end(), run.length, usual_classes(run.category));
  for (const ClassRange& range : kDifferences) {
    for (char32_t c = range.first; c <= range.last; ++c) bits[c] ^= range.bit;
  }
  std::map<Page, uint16_t> known;
  for (std::size_t i = 0; i < page_of_.size(); ++i) {
    Page page;
    std::copy_n(bits.begin() + i * 256, 256, page.begin());
    const auto [it, fresh] = known.try_emplace(page, static_cast<uint16_t>(pages_.size()));
    if (fresh) pages_.push_back(page);
    page_of_[i] = it->second;
  }
}

const UnicodeClasses& unicode_classes() {
  static const UnicodeClasses table;
  return table;
}

bool property_set(std::string_view written, CodeSet& out) {
  std::string name;
  for (const char c : written) {
    if (c != ' ' && c != '_' && c != '-') name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  for (const LongName& known : kLongNames) {
    if (name == known.name) name = known.category;
  }
  out = CodeSet();
  if (name == "any") out.add(0, CodeSet::kLast);
  if (name == "ascii") out.add(0, 0x7F);
  const unsigned bit = name == "space" || name == "whitespace" ? kS : name == "digitsofthepretokenizer" ? kNumeric : 0;
  for (char32_t c = 0; bit != 0 && c <= CodeSet::kLast; ++c) {
    if (unicode_classes()[c] & bit) out.add(c, c);
  }
  if (name.size() == 1 && std::string_view("lmnpszc").find(name) != std::string_view::npos) out = category_set(name);
  if (name.size() == 2) out = category_set(name);
  for (const ScriptRange& range : kScripts) {
    if (name == range.name) out.add(range.first, range.last);
  }
  return !out.ranges().empty();
}

char32_t small_letter(char32_t code) {
  if (code < 0x80) return code >= 'A' && code <= 'Z' ? code + 32 : code;
  if (code == 0x130) return 'i';
  const auto* at = std::partition_point(std::begin(kSmall), std::end(kSmall),
                                        [code](const CaseStep& step) { return step.last < code; });
  if (at == std::end(kSmall) || code < at->first || (code - at->first) % at->step != 0) return code;
  return static_cast<char32_t>(static_cast<int32_t>(code) + at->difference);
}

}  // namespace lowland
