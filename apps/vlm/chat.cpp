#include <iostream>

#include "apps/common/flags.h"
#include "apps/common/progress.h"
#include "apps/vlm/answers.h"
#include "apps/vlm/verbs.h"
#include "engine/error.h"
#include "models/images/decode.h"

namespace lowland::apps {
namespace {

size_t count_marks(const std::string& text) {
  size_t n = 0;
  for (size_t at = text.find(kImageText); at != std::string::npos; at = text.find(kImageText, at + 1)) ++n;
  return n;
}

// Reads what the user says about the images from stdin, a line a turn, and answers each; the end of the input ends the
// conversation. The images come before the first line, unless it has a mark for each where it belongs.
void chat(Settings settings, const std::vector<std::string>& images, const SamplingFlags& flags) {
  VlmSession session(std::move(settings));
  Pictures pictures(session.image_settings, session.context->threads());
  std::vector<int32_t> shown;
  std::string front;
  for (const std::string& file : images) {
    read_image(file);  // refused now, if it is no picture
    shown.push_back(pictures.add(file, "chat"));
    front += std::string(kImageText) + "\n";
  }
  const GenerateOptions options =
      generate_options(session.config.text, *session.tokenizer, session.settings.seed, flags);
  session.build_model(false);
  const Vlm& model = *session.model;
  std::vector<ChatMessage> messages;
  size_t unplaced = images.size();
  for (std::string line; std::getline(std::cin, line);) {
    if (line.empty()) continue;
    const size_t marks = count_marks(line);
    if (marks != 0 && marks != unplaced) {
      say(fmt::format("{} <image> in this line, {} images to place: none of them, or all", marks, unplaced));
      continue;
    }
    messages.push_back({"user", marks == 0 ? front + line : line});
    front.clear();
    unplaced = 0;
    const std::vector<int32_t> ids =
        encode_with_images(*session.tokenizer, session.prompt, session.config, messages, true).ids;
    check_room(model.language(), ids);
    const EmbedPrompts embed = embed_with_pictures(model, pictures, {ids}, {shown});
    messages.push_back({"assistant", print_generated(model.language(), *session.tokenizer, ids, options, embed).text});
  }
}

}  // namespace

void add_chat(CLI::App& app) {
  auto settings = std::make_shared<Settings>();
  auto flags = std::make_shared<SamplingFlags>();
  auto images = std::make_shared<std::vector<std::string>>();
  flags->max_new_tokens = 512;
  CLI::App* verb = app.add_subcommand("chat", "Answers on stdout to what stdin says about images, a line a turn");
  verb->add_option("image", *images, "Image files")->expected(0, -1);
  const OptionBinder bind{*verb};
  visit_input(*settings, bind);
  bind("tokenizer", settings->tokenizer, "Tokenizer, where it is not in the model's folder");
  bind("prompt-style", settings->prompt_style, "hf: as llava-hf documents it; llava: as LLaVA's own code has it");
  bind_sampling(bind, *flags);
  bind("weights-dtype", settings->weights_dtype, "Weights in f32 or bf16; auto: as --dtype");
  visit_system(*settings, bind);
  verb->callback([settings, images, flags] { chat(*settings, *images, *flags); });
}

}  // namespace lowland::apps
