#include "optim/training_state.h"

#include <charconv>

#include "engine/error.h"
#include "engine/io/safetensors_writer.h"

namespace lowland::optim {
namespace {

// One line for each tensor.
std::string trained_tensors(const nn::Arena& arena) {
  std::string text;
  for (const nn::ArenaSlot& slot : arena.slots()) text += fmt::format("{} {}\n", slot.name, to_string(slot.shape));
  return text;
}

NamedTensors tensors_of(const Method& method, const MethodState& state) {
  NamedTensors tensors = state.tensors;
  tensors.emplace_back("arena", method.arena().values());
  return tensors;
}

int64_t number_in(const SafetensorsFile& file, const char* key) {
  const std::string& text = file.metadata().at(key);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  LL_CHECK(error == std::errc() && end == text.data() + text.size() && value >= 0, "{}: its {} is '{}', not a count",
           file.path(), key, text);
  return value;
}

// Is this the state of such a method over such tensors? A file without metadata is not asked.
void check_origin(const SafetensorsFile& file, const Method& method) {
  const auto& metadata = file.metadata();
  if (const auto name = metadata.find("method"); name != metadata.end())
    LL_CHECK(name->second == method.name(), "{} is the training state of {}, not of {}", file.path(), name->second,
             method.name());
  if (const auto trained = metadata.find("trained"); trained != metadata.end())
    LL_CHECK(trained->second == trained_tensors(method.arena()),
             "{} is the training state of other tensors than the {} that are trained here", file.path(),
             method.arena().slots().size());
}

}  // namespace

void save_training_state(const std::string& file, const Method& method) {
  method.arena().require_centre("a training state");
  const MethodState state = method.state();
  save_safetensors(file, tensors_of(method, state),
                   {{"format", "pt"},
                    {"method", method.name()},
                    {"t", std::to_string(state.t)},
                    {"step", std::to_string(state.step)},
                    {"trained", trained_tensors(method.arena())}});
}

int64_t load_training_state(const std::string& path, Method& method, std::optional<int64_t> old_t) {
  method.arena().require_centre("a training state");
  const SafetensorsFile file(path);
  check_origin(file, method);
  MethodState state = method.state();  // views of the method's own tensors
  const bool counted = file.metadata().count("t") != 0 && file.metadata().count("step") != 0;
  LL_CHECK(counted || old_t, "{} does not say how many steps were taken", path);
  state.t = counted ? number_in(file, "t") : *old_t;
  state.step = counted ? number_in(file, "step") : *old_t;
  const NamedTensors tensors = tensors_of(method, state);
  for (const auto& [name, into] : tensors) {  // everything is checked before anything is written
    const TensorInfo& info = file.info(name);
    LL_CHECK(info.shape == into.shape() && info.dtype == file_dtype_of(into.dtype()),
             "tensor `{}` of {} is {} {} where {} is needed", name, path, info.dtype, to_string(info.shape),
             describe(into));
  }
  for (const auto& [name, into] : tensors) file.read_into(name, into);
  method.load_state(state);
  return state.step;
}

}  // namespace lowland::optim
