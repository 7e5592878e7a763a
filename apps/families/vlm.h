// lowland-vlm's sessions: questions about pictures on a LLaVA, or on a tower and a language model put together; and a
// vision tower from scratch.
#pragma once
#include "apps/common/generate_text.h"
#include "apps/families/bench_case.h"
#include "apps/families/language_session.h"
#include "apps/objectives/picture_classes.h"
#include "apps/objectives/questions.h"
#include "apps/objectives/vision_settings.h"
#include "models/vlm/family.h"

namespace lowland::apps {

class VlmSession : public LanguageSession {
 public:
  VlmSession();
  void add_flags(Flags& flags, Verb verb) override;
  void check() const override;
  void open(const Flags& flags) override;
  void load(const Wanted& wanted) override;
  const Objective& objective() const override { return *objective_; }
  std::vector<std::string> picture_files() const override { return pictures_->paths(); }
  std::unique_ptr<nn::Model> new_model(bool for_training) const override;
  void fill(nn::Model& model) override;
  void write(const nn::Model& model, const std::filesystem::path& into) const override;
  void finish() override;

  void print_example(int64_t index, int64_t first_row) const override;
  std::string example_summary(int64_t rows) const override;
  int64_t rows_of(int64_t tokens) const override { return tokens - 1; }  // the last is a target only
  nlohmann::ordered_json evaluate(const nn::Model& model, DataSplit split) override;
  void read_input() override;
  void predict(const nn::Model& model, const OnRow& row) override;

  const DecoderConfig& text_config() const override { return config_.text; }
  const Decoder& language(const nn::Model& model) const override { return static_cast<const Vlm&>(model).language(); }
  void begin_chat() override;
  bool take_line(std::string& line) override;
  void take_picture(const std::string& file) override;
  bool takes_pictures() const override { return true; }
  std::vector<std::string> pictures_shown() const override { return images_; }
  void forget(const ChatMessage& message, bool newest) override;
  std::vector<int32_t> conversation(const std::vector<ChatMessage>& messages) const override;
  EmbedPrompts embedding(const nn::Model& model, const std::vector<int32_t>& ids) const override;

 protected:
  // Whether the parameter of this name is trained whole.
  virtual bool trains_whole(const std::string& name) const;

  QuestionSettings questions_;
  VisionSettings vision_;
  VisionPretrainingSettings parts_;  // --vision-model and --language-model

 private:
  struct ScoreSettings {  // of evaluate
    bool shuffle_images = false, loss = false;
    std::string choose = "generate";
    int64_t max_new_tokens = 0;
  };
  std::string tokenizer_at_;  // folder or file: the adapter's, or the base's
  bool from_parts() const { return !vision_folder_.empty(); }
  void open_folder();
  void open_parts();
  void take_parts_of_adapter(const Flags& flags);
  HubFamily family() const;
  int64_t longest() const { return std::min(splits.max_length, config_.text.max_tokens()); }
  QuestionFormat format() const {
    return {*tokenizer, prompt_, config_, longest(), parse_overlong(questions_.overlong)};
  }
  QuestionOptions question_options(const Wanted& wanted) const;
  void write_folder(const nn::Model& model, const std::filesystem::path& into) const;
  void score(const Vlm& model, const VlmSplit& split, nlohmann::ordered_json& out);
  void add_question_only(const VlmSplit& split, nlohmann::ordered_json& out) const;
  std::vector<Question> input_questions() const;

  std::string vision_folder_;  // of the vision tower, if the base is put together from parts
  VlmConfig config_;
  ImageSettings image_settings_;
  ImagePrompt prompt_;
  std::unique_ptr<Pictures> pictures_;
  std::unique_ptr<Questions> objective_;
  ScoreSettings scores_;
  // predict
  SamplingSettings sampling_;
  std::string input_, split_ = "test", keep_;
  VlmSplit asked_;
  // chat
  std::vector<std::string> images_;
  std::vector<int32_t> shown_;
  std::string front_;  // marks of images that no line has placed yet
  size_t unplaced_ = 0;
};

// A vision tower by classes of pictures: from --model-config, or going on from the tower at --vision-model.
class TowerPretraining final : public Session {
 public:
  explicit TowerPretraining(const VisionPretrainingSettings& settings, const QuestionSettings& questions)
      : settings_(settings), skip_bad_images_(questions.skip_bad_images) {}
  void add_flags(Flags&, Verb) override {}  // ProjectorPretraining's
  void check() const override;
  void open(const Flags& flags) override;
  void load(const Wanted& wanted) override;
  const Objective& objective() const override { return *objective_; }
  std::vector<std::string> picture_files() const override { return objective_->files(); }
  std::vector<std::string> labels() const override { return config_.labels; }
  std::unique_ptr<nn::Model> new_model(bool for_training) const override;
  void fill(nn::Model& model) override;
  void write(const nn::Model& model, const std::filesystem::path& into) const override;
  void print_example(int64_t, int64_t) const override {}
  std::string example_summary(int64_t) const override { return ""; }

 private:
  VisionPretrainingSettings settings_;
  bool skip_bad_images_;
  VitConfig config_;
  ImageSettings images_;
  std::unique_ptr<PictureClassification> objective_;
};

// The projector alone, between a tower and a language model that stay as they are; with --class-dir a tower instead.
class ProjectorPretraining final : public VlmSession {
 public:
  ProjectorPretraining() { pretraining_lr = 1e-3; }
  void add_flags(Flags& flags, Verb verb) override;
  void check() const override;
  Session& chosen() override;

 protected:
  bool trains_whole(const std::string& name) const override;

 private:
  std::unique_ptr<TowerPretraining> tower_;
};

// preprocessor_config.json of transformers' CLIPImageProcessor for square pictures.
std::string clip_processor_json(int64_t side);
// `<image>` as a special token of the folder's tokenizer, and the processor that puts it in, for transformers.
void add_image_token(const std::filesystem::path& folder, const VlmConfig& config);

std::unique_ptr<BenchCase> vlm_bench();

}  // namespace lowland::apps
