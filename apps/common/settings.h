// Settings: everything a run can be told. Each field is declared once, in a visit_ function: from there come the
// command line, --config files, run.json and config.toml, all with the same names.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace lowland::apps {

struct Settings {
  // input
  std::string model, adapter, data, task, run, out, base_model_name;
  std::vector<std::string> train_files, text_files;
  std::string dev_file, test_file, text_column = "text", text_pair_column, label_column = "label";
  double dev_fraction = 0.1;
  int64_t max_train_samples = 0, max_eval_samples = 0, max_length = 512;
  std::string split = "dev";
  // pretraining
  std::string model_config, tokenizer;
  int64_t vocab_size = 0;
  bool line_by_line = false;
  // language models
  std::string loss = "assistant", overlong = "cut", chat_template, date = "26 Jul 2024";
  std::string weights_dtype = "auto";
  int64_t batch_tokens = 0;
  // vision-language models
  std::string image_dir, class_dir, vision_model, language_model, tower = "frozen", projector = "frozen";
  std::string prompt_style = "hf", instruction, scienceqa_format = "letter", cache_features;
  std::string flip = "none";
  int64_t shift = 0;
  bool skip_bad_images = false, old_names = false;
  // LoRA
  std::string method = "lora", targets, modules_to_save;
  int64_t rank = 8;
  double alpha = 16, lora_dropout = 0;
  bool rslora = false, random_init = false;
  // sharpness-aware methods
  double rho = 0.05, beta = 0.9, pinv_rcond = 1e-3;
  std::string rho_schedule = "constant", norm;
  // training
  std::string optimizer = "adamw", schedule = "linear";
  double lr = 0, weight_decay = 0, adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8, warmup_ratio = 0.06;
  double max_grad_norm = 1, label_smoothing = 0, momentum = 0;
  int64_t epochs = 3, max_steps = 0, batch_size = 32, grad_accum = 1;
  int64_t eval_steps = 0, save_steps = 0, logging_steps = 10, sharpness_steps = 0;
  std::string recompute = "none";
  // system
  int64_t seed = 42, threads = 0;
  std::string device = "auto", dtype = "auto";
  bool tf32 = false, no_graphs = false, resume = false, overwrite = false;
};

// v(names, field, help): names as on the command line, the canonical one first.
template <class S, class V> void visit_input(S& s, V&& v) {
  v("model", s.model, "Base checkpoint: a Hugging Face folder, or a name in the local Hugging Face cache");
  v("adapter", s.adapter, "PEFT adapter folder");
  v("random-init", s.random_init, "Draw all weights anew instead of reading them, to see what pretraining gives");
  v("run", s.run, "A finished run: fills in model, adapter, data and task from RUN/run.json");
}
template <class S, class V> void visit_data(S& s, V&& v) {
  v("data", s.data, "Folder of the task's files, or the GLUE folder above it");
  v("task", s.task, "cola sst2 mrpc stsb qqp mnli qnli rte wnli snli sst5 trec mr subj, or text for files of your own");
  v("train", s.train_files, "Task text: training file (.tsv, .csv or .jsonl)");
  v("dev", s.dev_file, "Task text: development file");
  v("test", s.test_file, "Task text: test file");
  v("text-column", s.text_column, "Task text: column of the text");
  v("text-pair-column", s.text_pair_column, "Task text: column of the second text of a pair");
  v("label-column", s.label_column, "Task text: column of the label");
  v("dev-fraction", s.dev_fraction, "Share of the training examples held out where there is no dev file");
  v("max-train-samples", s.max_train_samples, "Use the first N training examples (0: all)");
  v("max-eval-samples", s.max_eval_samples, "Use the first N evaluation examples (0: all)");
  v("max-length,max-seq-length,length", s.max_length, "Longest sequence in tokens; longer ones are cut");
}
template <class S, class V> void visit_pretraining(S& s, V&& v) {
  v("text", s.text_files, "Text files; documents are separated by blank lines");
  v("model-config", s.model_config, "config.json of the model to make");
  v("tokenizer", s.tokenizer, "Folder of a tokenizer");
  v("vocab-size", s.vocab_size, "Train a byte-level BPE of this size on the text instead");
  v("line-by-line", s.line_by_line, "Each line is a document");
}
template <class S, class V> void visit_language_data(S& s, V&& v) {
  v("train", s.train_files, "Training files, .jsonl: text; prompt, completion; instruction, input, output; messages");
  v("dev", s.dev_file, "Development file of the same kind");
  v("test", s.test_file, "Test file of the same kind");
  v("dev-fraction", s.dev_fraction, "Share of the training examples held out where there is no dev file (0: none)");
  v("max-train-samples", s.max_train_samples, "Use the first N training examples (0: all)");
  v("max-eval-samples", s.max_eval_samples, "Use the first N evaluation examples (0: all)");
  v("max-length,max-seq-length,length", s.max_length, "Longest example in tokens");
}
template <class S, class V> void visit_language(S& s, V&& v) {
  v("loss", s.loss, "assistant: on completions and answers only; all: on every token but the first");
  v("overlong", s.overlong, "Examples over --max-length: cut keeps their start, drop leaves them out");
  v("batch-tokens", s.batch_tokens, "Cut a step into micro-batches of at most N tokens (0: of --batch-size examples)");
  v("chat-template", s.chat_template, "Template of conversations, where the folder's own is not to be used");
  v("date", s.date, "The day that a llama3.1 conversation names");
  v("weights-dtype", s.weights_dtype, "Frozen weights in f32 or bf16; auto: as --dtype");
}
template <class S, class V> void visit_vision_data(S& s, V&& v) {
  v("task", s.task, "vqa, llava or captions: your files; scienceqa or vizwiz: --data (empty: vqa; pretrain: captions)");
  v("data", s.data, "Folder of scienceqa or vizwiz as published");
  v("train", s.train_files, "Training files: vqa .jsonl (image, question, answer); llava .json; captions .csv");
  v("dev", s.dev_file, "Development file of the same kind");
  v("test", s.test_file, "Test file of the same kind");
  v("dev-fraction", s.dev_fraction, "Share of the training examples held out where there is no dev file (0: none)");
  v("max-train-samples", s.max_train_samples, "Use the first N training examples (0: all)");
  v("max-eval-samples", s.max_eval_samples, "Use the first N evaluation examples (0: all)");
  v("max-length,max-seq-length,length", s.max_length, "Longest example in tokens, those of images included");
}
template <class S, class V> void visit_vision(S& s, V&& v) {
  v("image-dir", s.image_dir, "Folder that the names of images count from (else the folder of their file)");
  v("instruction", s.instruction, "Put behind each question, on a line of its own, instead of the task's own words");
  v("scienceqa-format", s.scienceqa_format, "letter: answers are letters; lecture: lecture, solution, then a letter");
  v("cache-features", s.cache_features, "Keep what a frozen vision tower makes of the images in this folder");
  v("skip-bad-images", s.skip_bad_images, "Leave out examples whose image is missing or damaged, and say how many");
  v("prompt-style", s.prompt_style, "hf: as llava-hf documents it; llava: as LLaVA's own code has it");
  v("overlong", s.overlong, "Examples over --max-length: cut keeps their start, drop leaves them out");
  v("batch-tokens", s.batch_tokens, "Cut a step into micro-batches of at most N tokens (0: of --batch-size examples)");
  v("weights-dtype", s.weights_dtype, "Frozen weights in f32 or bf16; auto: as --dtype");
}
template <class S, class V> void visit_vision_training(S& s, V&& v) {
  v("tower", s.tower, "The vision tower: frozen, lora or full (saved whole beside the adapter)");
  v("projector", s.projector, "The projector: frozen, lora or full (saved whole beside the adapter)");
  v("old-names", s.old_names, "Name the adapter's modules as transformers before 4.52 does");
}
// What pretraining for vision needs.
template <class S, class V> void visit_vision_pretraining(S& s, V&& v) {
  v("class-dir", s.class_dir, "Train a vision tower on pictures in a folder with one folder for each class");
  v("flip", s.flip, "Mirror pictures of --class-dir at random: none, horizontal or both");
  v("shift", s.shift, "Move pictures of --class-dir at random by up to N pixels");
  v("vision-model", s.vision_model, "The vision tower to put before --language-model");
  v("language-model", s.language_model, "Train a projector between --vision-model and this language model");
}
template <class S, class V> void visit_lora(S& s, V&& v) {
  v("rank,lora-r", s.rank, "Rank of the adapters");
  v("alpha,lora-alpha", s.alpha, "Adapters are scaled by alpha / rank");
  v("lora-dropout", s.lora_dropout, "Dropout on the adapters' input");
  v("targets,target-modules", s.targets,
    "all-linear, a comma list of module names, or a full-match regular expression");
  v("rslora,use-rslora", s.rslora, "Scale by alpha / sqrt(rank) instead");
  v("modules-to-save", s.modules_to_save, "Comma list of modules trained in full besides the task head");
}
template <class S, class V> void visit_method(S& s, V&& v) {
  v("method", s.method, "lora, eflat-lora, flat-lora, lora-sam or full");
  v("rho", s.rho, "Radius of the perturbation");
  v("beta", s.beta, "eflat-lora: weight of the new perturbation in the moving average");
  v("rho-schedule", s.rho_schedule, "constant, linear, cosine or inv-sqrt");
  v("norm", s.norm, "Norm of the perturbation: layer (default) or global; lora-sam: joint (default) or factor");
  v("pinv-rcond", s.pinv_rcond, "Relative cut-off of the pseudo-inverses");
}
// What the memory of a step depends on.
template <class S, class V> void visit_step_size(S& s, V&& v) {
  v("batch-size,per-device-train-batch-size,batch", s.batch_size, "Examples per micro-batch");
  v("grad-accum,gradient-accumulation-steps", s.grad_accum, "Micro-batches per step");
  v("recompute", s.recompute, "block: make each block again in the backward pass, for less memory; auto: if need be");
}
template <class S, class V> void visit_training(S& s, V&& v) {
  v("lr,learning-rate", s.lr, "Peak learning rate (0: 2e-4, for full 2e-5)");
  v("schedule,lr-scheduler-type", s.schedule, "linear, cosine or constant");
  v("warmup-ratio", s.warmup_ratio, "Share of the steps over which the learning rate rises");
  v("epochs,num-train-epochs", s.epochs, "Passes over the training examples");
  v("max-steps", s.max_steps, "Stop after N steps (0: by epochs)");
  visit_step_size(s, v);
  v("optimizer,optim", s.optimizer, "adamw or sgd");
  v("weight-decay", s.weight_decay, "Decoupled weight decay, never on biases and norms");
  v("adam-beta1", s.adam_beta1, "AdamW's first moment decay");
  v("adam-beta2", s.adam_beta2, "AdamW's second moment decay");
  v("adam-epsilon", s.adam_epsilon, "AdamW's epsilon");
  v("momentum", s.momentum, "SGD's momentum");
  v("max-grad-norm", s.max_grad_norm, "Clip the gradient to this norm (0: never)");
  v("label-smoothing,label-smoothing-factor", s.label_smoothing, "Label smoothing of the cross-entropy");
  v("eval-steps", s.eval_steps, "Evaluate every N steps (0: every epoch)");
  v("save-steps", s.save_steps, "Write a checkpoint every N steps (0: every epoch)");
  v("logging-steps,log-every", s.logging_steps, "Log every N steps");
  v("sharpness-steps", s.sharpness_steps, "Measure and log sharpness every N steps (0: never)");
}
template <class S, class V> void visit_system(S& s, V&& v) {
  v("seed", s.seed, "Seed of initialisation, order and dropout");
  v("device", s.device, "auto, cpu, cuda or cuda:N");
  v("dtype", s.dtype, "auto, f32 or bf16");
  v("tf32", s.tf32, "Allow TF32 in f32 matrix products on a GPU");
  v("no-graphs", s.no_graphs, "On a GPU, launch every kernel by itself instead of replaying captured steps");
  v("threads", s.threads, "CPU threads (0: all cores)");
}
template <class S, class V> void visit_output(S& s, V&& v) {
  v("out,output-dir", s.out, "Folder to write, refused if it is not empty");
  v("base-model-name", s.base_model_name, "What the adapter names as its base model (base_model_name_or_path)");
  v("resume", s.resume, "Go on from the newest checkpoint in --out, with the settings of its run.json");
  v("overwrite", s.overwrite, "Delete what is in --out first");
}
// Everything that run.json holds.
template <class S, class V> void visit_all(S& s, V&& v) {
  visit_input(s, v);
  visit_data(s, v);
  visit_pretraining(s, v);
  visit_language(s, v);
  v("image-dir", s.image_dir, "");
  v("instruction", s.instruction, "");
  v("scienceqa-format", s.scienceqa_format, "");
  v("cache-features", s.cache_features, "");
  v("skip-bad-images", s.skip_bad_images, "");
  v("prompt-style", s.prompt_style, "");
  visit_vision_training(s, v);
  visit_vision_pretraining(s, v);
  visit_lora(s, v);
  visit_method(s, v);
  visit_training(s, v);
  visit_system(s, v);
  visit_output(s, v);
}

}  // namespace lowland::apps
