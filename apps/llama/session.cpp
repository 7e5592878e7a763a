#include "apps/llama/session.h"

#include <algorithm>

#include "apps/common/progress.h"
#include "engine/error.h"
#include "models/hub/hub_folder.h"
#include "models/hub/write_model.h"

namespace lowland::apps {
namespace fs = std::filesystem;

std::vector<int32_t> encode_prompt(const Tokenizer& tokenizer, const std::string& text, bool parse_special) {
  std::vector<int32_t> ids;
  for (const int32_t part : tokenizer.input_template().single) {
    if (part == InputTemplate::kA) break;
    ids.push_back(part);
  }
  EncodeOptions options;
  options.parse_special = parse_special;
  const std::vector<int32_t> body = tokenizer.encode(text, options);
  ids.insert(ids.end(), body.begin(), body.end());
  return ids;
}

Session::Session(Settings given) : settings(std::move(given)) {
  take_run(settings, 1024);
  LL_CHECK(!settings.model.empty(), "--model names the base checkpoint, and is missing");
  if (is_llama2c_file(settings.model)) {
    folder = settings.model;
    config = read_llama2c_config(folder);
  } else {
    folder = resolve_model_folder(settings.model);
    config = LlamaConfig::from_folder(folder);
  }
  load_tokenizer_for(folder);
  if (!settings.adapter.empty()) {
    adapter = load_adapter(settings.adapter);
    take_adapter_settings(*adapter, settings);
  }
  context = make_context(settings);
}

void Session::load_tokenizer_for(const std::string& model_path) {
  std::string path = settings.tokenizer;
  if (path.empty()) {
    path = model_path;
    if (llama2c()) {
      const fs::path beside = fs::path(model_path).parent_path() / "tokenizer.bin";
      LL_CHECK(fs::exists(beside), "--tokenizer names the tokenizer of {}, and is missing", model_path);
      path = beside.string();
    }
  }
  tokenizer = load_tokenizer(path);
  LL_CHECK(tokenizer->vocab_size() <= config.vocab_size, "{}: the tokenizer has {} ids, the model {}", path,
           tokenizer->vocab_size(), config.vocab_size);
}

int64_t Session::longest() const { return std::min(settings.max_length, config.max_tokens()); }

std::unique_ptr<Llama> Session::new_model(const Settings& like, bool for_training) const {
  if (adapter && for_training) check_trains_on(*adapter);
  auto made = std::make_unique<Llama>(config);
  const bool full = like.method == "full" && !adapter;
  if (full && for_training) {
    made->train([](const std::string&) { return true; });
  } else if (adapter || for_training) {
    attach_adapter(*made, adapter_settings(like), llama_family(config), adapter ? &*adapter : nullptr);
  }
  made->set_recompute(like.recompute == "block");
  made->set_frozen_dtype(weights_dtype(like, *context));
  return made;
}

void Session::build_model(bool for_training) {
  if (!model) model = new_model(settings, for_training);
  model->set_recompute(settings.recompute == "block");  // --recompute auto was decided after it was made
  model->materialise(*context, compute_dtype(settings, *context));
  load_weights();
}

void Session::load_weights() {
  const auto seed = static_cast<uint64_t>(settings.seed);
  base_ = {folder, base_model_name(settings.base_model_name, folder), ""};
  if (settings.random_init) {
    LL_CHECK(!adapter, "--random-init and --adapter contradict each other");
    model->parameters().initialise(seed, config.initializer_range, [](const std::string&) { return true; });
    model->initialise_adapters(seed);
    base_.fingerprint = fmt::format("random weights, seed {}", settings.seed);
    return;
  }
  if (llama2c()) {
    load_llama2c(*model, folder, seed);
    base_.fingerprint =
        fmt::format("llama2.c {}, {} bytes", fs::path(folder).filename().string(), fs::file_size(folder));
    if (adapter) check_base(*adapter, base_);
  } else {
    WeightMap weights = open_weights(folder, llama_family());
    base_ = base_of(weights, settings.base_model_name);
    if (adapter) check_base(*adapter, base_);
    const std::string unused = lowland::load_weights(*model, weights, seed);
    if (!unused.empty()) say(unused);
  }
  if (adapter) fill_adapter(*model, *adapter);
}

void Session::write_result(const fs::path& into) const {
  if (settings.method == "full") {
    LlamaConfig written = config;
    written.architectures.clear();
    written.dtype = "float32";
    write_model_files(into.string(), written.to_json(), model->parameters().named());
    const fs::path tokens = settings.tokenizer.empty() ? fs::path(folder) : fs::path(settings.tokenizer);
    if (fs::is_directory(tokens)) copy_companion_files(tokens.string(), into.string());
    return;
  }
  LoadedAdapter out = collect_adapter(*model, adapter_settings(settings), llama_family(config), base_);
  out.card->max_length = longest();
  out.card->method_json = method_json(settings);
  write_adapter_files(into.string(), std::move(out));
}

}  // namespace lowland::apps
