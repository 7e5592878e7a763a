#include "models/llama/convert.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "apps/common/progress.h"
#include "apps/verbs/verbs.h"
#include "models/gguf/gguf_model.h"
#include "models/hub/merge.h"

namespace lowland::apps {

void add_convert(CLI::App& app, const Family& family) {
  struct Paths {
    std::string model, tokenizer, out;
  };
  const auto paths = std::make_shared<Paths>();
  CLI::App* verb =
      app.add_subcommand("convert", "A GGUF file, a llama2.c .bin, or a Llama as Meta publishes it, as a folder");
  verb->add_option("--model", paths->model, "The .gguf or .bin, or the folder of params.json and consolidated.NN.pth")
      ->required();
  verb->add_option("--tokenizer", paths->tokenizer,
                   "tokenizer.model or tokenizer.bin, unless it lies beside the model");
  verb->add_option("--out,--output-dir", paths->out, "Folder to write")->required();
  verb->callback([paths, hub = family.hub] {
    if (is_gguf_path(paths->model)) {
      for (const std::string& note : merge_adapter(paths->model, "", paths->out, hub(paths->model)).notes) say(note);
      return say(fmt::format("wrote the model and its tokenizer to {}", paths->out));
    }
    const ConvertReport report = convert_llama(paths->model, paths->tokenizer, paths->out);
    for (const std::string& note : report.notes) say(note);
    say(fmt::format("wrote {} tensors and the tokenizer to {}", report.tensors, paths->out));
  });
}

}  // namespace lowland::apps
