// LanguageSession: a session whose model writes text. What the verbs generate and chat ask besides.
#pragma once
#include "apps/families/session.h"
#include "models/chat/encode_chat.h"
#include "models/decoder/generate.h"

namespace lowland::apps {

class LanguageSession : public Session {
 public:
  virtual const DecoderConfig& text_config() const = 0;
  virtual const Decoder& language(const nn::Model& model) const = 0;

  // --- chat
  virtual void begin_chat() {}  // after open: refuses what it was given, if it cannot be shown
  // What the user says, made ready to be a message; false where it cannot be one, said why.
  virtual bool take_line(std::string&) { return true; }
  // A picture that the next line is about. Error where it cannot be one.
  virtual void take_picture(const std::string&) {}
  virtual bool takes_pictures() const { return false; }
  virtual std::vector<std::string> pictures_shown() const { return {}; }
  // The oldest message that has pictures leaves the conversation; or the newest, which found no answer.
  virtual void forget(const ChatMessage& /*message*/, bool /*newest*/) {}
  // Ids up to the answer.
  virtual std::vector<int32_t> conversation(const std::vector<ChatMessage>& messages) const = 0;
  // The token that ends what the model says, by the template; -1 where it has none.
  virtual int32_t end_of_turn() const { return -1; }
  // The embedded rows of such ids, where they are more than tokens.
  virtual EmbedPrompts embedding(const nn::Model&, const std::vector<int32_t>&) const { return {}; }
};

}  // namespace lowland::apps
