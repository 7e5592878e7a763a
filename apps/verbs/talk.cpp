#include "apps/verbs/talk.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/common/generate_text.h"
#include "apps/common/line_editor.h"
#include "apps/common/progress.h"
#include "apps/data/text_file.h"
#include "apps/train/interrupt.h"
#include "engine/error.h"
#include "models/tokenizers/utf8.h"

namespace lowland::apps {
namespace {

// Ctrl-C between a line and its answer does nothing: what reads and what answers cares for it.
class IgnoreCtrlC {
 public:
  IgnoreCtrlC() : before_(std::signal(SIGINT, SIG_IGN)) {}
  ~IgnoreCtrlC() { std::signal(SIGINT, before_); }
  IgnoreCtrlC(const IgnoreCtrlC&) = delete;
  IgnoreCtrlC& operator=(const IgnoreCtrlC&) = delete;

 private:
  void (*before_)(int);
};

// "TinyLlama, with the adapter runs/chats/adapter"
std::string name_of(const LanguageSession& session) {
  std::filesystem::path folder = session.folder;
  if (!folder.has_filename()) folder = folder.parent_path();
  const std::string& adapter = session.base.adapter;
  return folder.filename().string() + (adapter.empty() ? "" : ", with the adapter " + adapter);
}

class Talk {
 public:
  Talk(LanguageSession& session, const nn::Model& model, const TextOptions& options, const std::string& system)
      : session_(session), model_(model), options_(options) {
    if (!system.empty()) messages_.push_back({"system", system});
  }

  void run() {
    say(name_of(session_) + "\nCtrl-C stops an answer, Ctrl-D or /exit ends, /help tells the commands");
    const IgnoreCtrlC otherwise;
    LineEditor editor;
    bool asked_to_end = false;
    for (std::string line; !over_;) {
      const LineEditor::Read read = editor.read("> ", line);
      if (read == LineEditor::Read::end) break;
      if (read == LineEditor::Read::interrupted) {
        if (asked_to_end) throw Interrupted(SIGINT, "the conversation is over");
        asked_to_end = true;
        say("Ctrl-C once more ends the conversation");
        continue;
      }
      asked_to_end = false;
      take(line);
    }
  }

 private:
  void take(const std::string& line) {
    try {
      if (is_blank(line)) return;
      LL_CHECK(utf8_valid(line), "this line is not UTF-8, and was not said");
      if (line.front() == '/' && !line.starts_with("//")) return command(line);
      answer(line.starts_with("//") ? line.substr(1) : line);
    } catch (const Error& e) {  // the conversation goes on
      say(e.what());
    }
  }

  void command(const std::string& line) {
    const size_t blank = std::min(line.find(' '), line.size());
    const std::string name = line.substr(1, blank - 1);
    std::string rest = line.substr(std::min(blank + 1, line.size()));
    rest.erase(rest.find_last_not_of(" \t\r") + 1);
    if (name == "help") return help();
    if (name == "exit" || name == "quit") return void(over_ = true);
    if (name == "clear") return clear();
    if (name == "save") return save(rest);
    if (name == "system" && session_.takes_system) return set_system(rest);
    if (name == "image" && session_.takes_pictures()) {
      LL_CHECK(!rest.empty(), "/image FILE shows a picture");
      session_.take_picture(rest);
      return say("the next line is about this picture");
    }
    say(fmt::format("there is no command /{}; /help tells those that there are, and // begins a line with a slash",
                    name));
  }

  void help() const {
    say("/clear         forget what was said");
    if (session_.takes_system) say("/system TEXT   the system message from here on; without TEXT none");
    if (session_.takes_pictures()) say("/image FILE    a picture that the next line is about");
    say("/save FILE     append the conversation to FILE, as a line that finetune reads\n"
        "/exit          end; so do Ctrl-D, and Ctrl-C twice\n"
        "//...          a line that begins with a slash");
  }

  bool has_system() const { return !messages_.empty() && messages_.front().role == "system"; }

  void clear() {
    while (messages_.size() > (has_system() ? 1 : 0)) drop(has_system() ? 1 : 0);
    say("forgotten");
  }

  void set_system(const std::string& text) {
    if (has_system()) messages_.erase(messages_.begin());
    if (!text.empty()) messages_.insert(messages_.begin(), {"system", text});
    say(text.empty() ? "no system message" : "this is the system message now");
  }

  void save(const std::string& file) const {
    LL_CHECK(!file.empty(), "/save FILE names the file to write");
    nlohmann::ordered_json o, list = nlohmann::ordered_json::array();
    for (const ChatMessage& m : messages_) list.push_back({{"role", m.role}, {"content", m.content}});
    if (const auto pictures = session_.pictures_shown(); !pictures.empty()) o["images"] = pictures;
    o["messages"] = std::move(list);
    std::ofstream out(file, std::ios::app | std::ios::binary);
    out << o.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n' << std::flush;
    LL_CHECK(out.good(), "cannot write {}", file);
    say(fmt::format("saved to {}", file));
  }

  void drop(size_t index) {
    session_.forget(messages_[index], false);
    messages_.erase(messages_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  // The ids of the conversation, its oldest turns dropped until there is room for an answer.
  std::vector<int32_t> fitting() {
    const int64_t most = session_.language(model_).max_length();
    const int64_t room = std::min(options_.max_new_tokens, most / 4);
    size_t dropped = 0;
    std::vector<int32_t> ids = session_.conversation(messages_);
    const size_t first = has_system() ? 1 : 0;
    while (static_cast<int64_t>(ids.size()) + room > most && messages_.size() > first + 2) {
      drop(first);  // what the user said, and the answer to it
      drop(first);
      ++dropped;
      ids = session_.conversation(messages_);
    }
    if (dropped > 0)
      say(fmt::format("the conversation is full ({} tokens): its oldest {} dropped", most,
                      dropped == 1 ? "turn is" : fmt::format("{} turns are", dropped)));
    return ids;
  }

  void answer(std::string line) {
    if (!session_.take_line(line)) return;
    messages_.push_back({"user", line});
    try {
      const std::vector<int32_t> ids = fitting();
      check_room(session_.language(model_), ids);
      const EmbedPrompts embed = session_.embedding(model_, ids);
      const InterruptGuard interrupt;
      const Generated said = print_generated(session_.language(model_), *session_.tokenizer, ids, options_, embed,
                                             [&] { return interrupt.signal() != 0; });
      if (interrupt.signal() == SIGTERM) throw Interrupted(SIGTERM, "the conversation is over");
      if (interrupt.signal() != 0) say("stopped");
      messages_.push_back({"assistant", said.text});
    } catch (const Error&) {
      session_.forget(messages_.back(), true);
      messages_.pop_back();
      throw;
    }
  }

  LanguageSession& session_;
  const nn::Model& model_;
  const TextOptions& options_;
  std::vector<ChatMessage> messages_;
  bool over_ = false;
};

}  // namespace

void talk(LanguageSession& session, const nn::Model& model, const TextOptions& options, const std::string& system) {
  Talk(session, model, options, system).run();
}

}  // namespace lowland::apps
