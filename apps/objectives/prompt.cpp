#include "apps/objectives/prompt.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/hub/target_match.h"

namespace lowland::apps {
namespace {

// LM-BFF's, of the labels as their files spell them.
struct TaskPrompt {
  const char* text;
  std::map<std::string, std::string> words;
};
const std::map<std::string, TaskPrompt>& task_prompts() {
  constexpr const char* kWas = "*cls**sent_0*_It_was*mask*.*sep+*";
  constexpr const char* kIs = "*cls**sent_0*_This_is*mask*.*sep+*";
  constexpr const char* kFollows = "*cls**sent-_0*?*mask*,*+sentl_1**sep+*";
  constexpr const char* kSame = "*cls**sent_0**mask*,*+sentl_1**sep+*";
  static const std::map<std::string, TaskPrompt> prompts = {
      {"cola", {kIs, {{"0", "incorrect"}, {"1", "correct"}}}},
      {"sst2", {kWas, {{"0", "terrible"}, {"1", "great"}}}},
      {"mr", {kWas, {{"0", "terrible"}, {"1", "great"}}}},
      {"sst5", {kWas, {{"0", "terrible"}, {"1", "bad"}, {"2", "okay"}, {"3", "good"}, {"4", "great"}}}},
      {"subj", {kIs, {{"0", "subjective"}, {"1", "objective"}}}},
      {"trec",
       {"*cls**mask*:*+sent_0**sep+*",
        {{"DESC", "Description"},
         {"ENTY", "Entity"},
         {"ABBR", "Expression"},
         {"HUM", "Human"},
         {"LOC", "Location"},
         {"NUM", "Number"}}}},
      {"mnli", {kFollows, {{"entailment", "Yes"}, {"neutral", "Maybe"}, {"contradiction", "No"}}}},
      {"snli", {kFollows, {{"entailment", "Yes"}, {"neutral", "Maybe"}, {"contradiction", "No"}}}},
      {"qnli", {kFollows, {{"entailment", "Yes"}, {"not_entailment", "No"}}}},
      {"rte", {kFollows, {{"entailment", "Yes"}, {"not_entailment", "No"}}}},
      {"mrpc", {kSame, {{"0", "No"}, {"1", "Yes"}}}},
      {"qqp", {kSame, {{"0", "No"}, {"1", "Yes"}}}}};
  return prompts;
}

std::vector<std::string> words_by_id(const std::map<std::string, std::string>& by_label, const TaskInfo& task) {
  std::vector<std::string> words(task.num_labels);
  for (const auto& [label, word] : by_label) {
    const int id = task.find_label(label);
    LL_CHECK(id >= 0, "--label-words: `{}` is no label of the task, which has {}", label, task.describe_labels());
    LL_CHECK(words[id].empty(), "--label-words: the label {} has two words, `{}` and `{}`", task.labels[id], words[id],
             word);
    words[id] = word;
  }
  return words;
}

std::vector<std::string> words_in(const std::string& text, const TaskInfo& task) {
  if (text[0] != '{' && text[0] != '[') return split_names(text);
  const nlohmann::json j = nlohmann::json::parse(text, nullptr, false);
  try {
    if (j.is_array()) return j.get<std::vector<std::string>>();
    if (j.is_object()) return words_by_id(j.get<std::map<std::string, std::string>>(), task);
  } catch (const nlohmann::json::exception&) {}
  fail(
      "--label-words {}: expected a comma list of words in the order of the labels, or a JSON object of labels and "
      "words",
      text);
}

bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }
bool is_small(char c) { return c >= 'a' && c <= 'z'; }
bool is_sign(char c) { return c > ' ' && c < 127 && !is_capital(c) && !is_small(c) && !(c >= '0' && c <= '9'); }

}  // namespace

PromptText prompt_of(const std::string& text, const std::string& words, const TaskInfo& task) {
  LL_CHECK(!task.regression && !task.multi_label,
           "--template: a word is filled in for one of several classes, and the task {} is {}", task.name,
           task.regression ? "a regression" : "of several labels");
  const auto known = task_prompts().find(task.name);
  const bool own = known != task_prompts().end();
  LL_CHECK(own || text != kTaskPrompt,
           "--template task: the task {} has none; give one, as *cls**sent_0*_It_was*mask*.*sep+*", task.name);
  LL_CHECK(own || !words.empty(), "--label-words is missing: a word for each of {}", task.describe_labels());
  PromptText out;
  out.text = text == kTaskPrompt ? known->second.text : text;
  out.words = words.empty() ? words_by_id(known->second.words, task) : words_in(words, task);
  LL_CHECK(std::ssize(out.words) == task.num_labels, "--label-words: {} words for {} labels: {}", out.words.size(),
           task.num_labels, task.describe_labels());
  for (size_t id = 0; id < out.words.size(); ++id)
    LL_CHECK(!out.words[id].empty(), "--label-words: the label {} has no word", task.labels[id]);
  return out;
}

Prompt::Prompt(const PromptText& prompt, const TaskInfo& task, const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
  const std::string& text = prompt.text;
  int masks = 0;
  bool texts[2] = {false, false};
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('*', begin), text.size());
    if (end > begin) {
      const Part& part = parts_.emplace_back(parse(text.substr(begin, end - begin)));
      masks += part.mask ? 1 : 0;
      if (part.text >= 0) texts[part.text] = true;
    }
    begin = end + 1;
  }
  LL_CHECK(masks == 1, "--template {}: it has {} *mask*, where one is expected", text, masks);
  LL_CHECK(texts[0] && texts[1] == task.pair, "--template {}: the task's examples have {}, and it uses {}", text,
           task.pair ? "two texts, *sent_0* and *sent_1*" : "one text, *sent_0*",
           texts[0] && texts[1] ? "both"
           : texts[0]           ? "the first alone"
           : texts[1]           ? "the second alone"
                                : "none");
  for (size_t id = 0; id < prompt.words.size(); ++id) {
    const std::string& word = prompt.words[id];
    // As it stands in the middle of a sentence; a sign has no space in front.
    const std::vector<int32_t> ids = encode(is_sign(word[0]) ? word : " " + word);
    LL_CHECK(ids.size() == 1 && ids[0] != tokenizer.special().unk,
             "--label-words: `{}` is {} of this tokenizer, and a label's word must be one that it knows", word,
             ids.size() == 1 ? "no token" : fmt::format("{} tokens", ids.size()));
    const auto same = std::find(words_.begin(), words_.end(), ids[0]) - words_.begin();
    LL_CHECK(same == std::ssize(words_), "--label-words: `{}` stands for {} and for {}", word, task.labels[same],
             task.labels[id]);
    words_.push_back(ids[0]);
  }
}

Prompt::Part Prompt::parse(const std::string& part) const {
  Part out;
  if (part == "cls" || part == "sep" || part == "sep+") {
    out.ids = {tokenizer_.need(part == "cls" ? &SpecialIds::cls : &SpecialIds::sep)};
    out.next_type = part == "sep+";
    return out;
  }
  if (part == "mask") {
    out.ids = {tokenizer_.need(&SpecialIds::mask)};
    out.mask = true;
    return out;
  }
  std::string_view rest = part;
  out.space = rest.starts_with('+');
  if (out.space) rest.remove_prefix(1);
  if (rest.starts_with("sent")) {
    rest.remove_prefix(4);
    for (; !rest.empty() && (rest[0] == 'l' || rest[0] == 'u' || rest[0] == '-'); rest.remove_prefix(1))
      (rest[0] == 'l' ? out.small : rest[0] == 'u' ? out.capital : out.bare) = true;
    if (rest == "_0" || rest == "_1") {
      out.text = rest == "_0" ? 0 : 1;
      return out;
    }
  }
  out = {};
  std::string text = part;
  std::replace(text.begin(), text.end(), '_', ' ');
  out.ids = encode(text);
  return out;
}

Prompt::Tokens Prompt::tokens(const Example& example, int64_t max_length) const {
  std::vector<std::vector<int32_t>> all;
  std::vector<size_t> texts;
  int64_t fixed = 0, total = 0;
  for (const Part& part : parts_) {
    if (part.text < 0) {
      all.push_back(part.ids);
      fixed += std::ssize(part.ids);
      total += std::ssize(part.ids);
      continue;
    }
    std::string text = part.text == 0 ? example.text_a : example.text_b;
    if (part.bare && !text.empty() && is_sign(text.back())) text.pop_back();
    if (!text.empty() && part.small && is_capital(text[0])) text[0] = static_cast<char>(text[0] - 'A' + 'a');
    if (!text.empty() && part.capital && is_small(text[0])) text[0] = static_cast<char>(text[0] - 'a' + 'A');
    texts.push_back(all.size());
    all.push_back(encode(part.space ? " " + text : text));
    total += std::ssize(all.back());
  }
  LL_CHECK(fixed < max_length, "--max-length {}: the template alone has {} tokens", max_length, fixed);
  Tokens out;
  for (out.cut = total > max_length; total > max_length; --total) {
    const auto longest =
        std::max_element(texts.begin(), texts.end(), [&](size_t a, size_t b) { return all[a].size() < all[b].size(); });
    all[*longest].pop_back();
  }
  int32_t type = 0;
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (parts_[i].mask) out.mask = static_cast<int32_t>(out.ids.size());
    out.ids.insert(out.ids.end(), all[i].begin(), all[i].end());
    out.types.insert(out.types.end(), all[i].size(), type);
    type += parts_[i].next_type ? 1 : 0;
  }
  return out;
}

}  // namespace lowland::apps
