#include "apps/objectives/vision_settings.h"

#include "apps/data/load_questions.h"
#include "apps/data/question_files.h"

namespace lowland::apps {

void QuestionSettings::add_data_flags(Flags& f, SplitSettings& splits) {
  f.add("task", &task, question_task_help() + " (empty: vqa; pretrain: captions)");
  f.add("data", &data, "Folder of scienceqa or vizwiz as published");
  f.add("train", &splits.train, "Training files: vqa .jsonl (image, question, answer); llava .json; captions .csv");
  f.add("dev", &splits.dev, "Development file of the same kind");
  f.add("test", &splits.test, "Test file of the same kind");
  add_columns(f);
  splits.add_limits(f);
  f.add("max-length,max-seq-length,length", &splits.max_length, "Longest example in tokens, those of images included");
}

void QuestionSettings::add_flags(Flags& f, BatchSettings& batch) {
  f.add("image-dir", &image_dir, "Folder that the names of images count from (else the folder of their file)");
  f.add("instruction", &instruction, "Put behind each question, on a line of its own, instead of the task's own words");
  f.add("scienceqa-format", &scienceqa_format,
        "letter: answers are letters; lecture: lecture, solution, then a letter");
  f.add("cache-features", &cache_features, "Keep what a frozen vision tower makes of the images in this folder");
  f.add("skip-bad-images", &skip_bad_images, "Leave out examples whose image is missing or damaged, and say how many");
  add_prompt_style(f);
  f.add("overlong", &overlong, "Examples over --max-length: cut keeps their start, drop leaves them out");
  batch.add_batch_tokens(f);
  batch.add_weights_dtype(f);
}

void QuestionSettings::add_columns(Flags& f) {
  f.add("columns", &columns, "What a file's keys are called here: image=picture,question=query,answer=reply");
}

void QuestionSettings::add_prompt_style(Flags& f) {
  f.add("prompt-style", &prompt_style, "hf: as llava-hf documents it; llava: as LLaVA's own code has it");
}

void QuestionSettings::check() const {
  check_word("scienceqa-format", scienceqa_format, {"letter", "lecture"});
  check_word("overlong", overlong, {"cut", "drop"});
  Columns(columns, question_columns());
}

void VisionSettings::add_flags(Flags& f) {
  f.add("tower", &tower, "The vision tower: frozen, lora or full (saved whole beside the adapter)");
  f.add("projector", &projector, "The projector: frozen, lora or full (saved whole beside the adapter)");
  f.add("old-names", &old_names, "Name the adapter's modules as transformers before 4.52 does");
}

void VisionSettings::check() const {
  check_word("tower", tower, {"frozen", "lora", "full"});
  check_word("projector", projector, {"frozen", "lora", "full"});
}

void VisionPretrainingSettings::add_flags(Flags& f) {
  f.add("class-dir", &class_dir, "Train a vision tower on pictures in a folder with one folder for each class");
  f.add("flip", &flip, "Mirror pictures of --class-dir at random: none, horizontal or both");
  f.add("shift", &shift, "Move pictures of --class-dir at random by up to N pixels");
  f.add("vision-model", &vision_model, "The vision tower to put before --language-model");
  f.add("language-model", &language_model, "Train a projector between --vision-model and this language model");
  f.add("model-config", &model_config, "config.json of the vision tower to make");
}

}  // namespace lowland::apps
