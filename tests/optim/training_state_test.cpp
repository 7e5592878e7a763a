#include "optim/training_state.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "engine/error.h"
#include "engine/io/safetensors_writer.h"
#include "tests/optim/toy_method.h"

using namespace lowland;
using namespace lowland::optim;
using namespace lowland::test;
namespace fs = std::filesystem;

namespace {

struct Folder {
  Folder() : path(fs::temp_directory_path() / ("lowland_state_" + std::to_string(getpid()))) {
    fs::remove_all(path);
    fs::create_directory(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const char* name) const { return (path / name).string(); }
  fs::path path;
};

// Everything of a run that a later step depends on.
std::vector<Values> all_of(const Toy& toy) {
  std::vector<Values> all = {toy.arena.values().to(DType::f64).to_vector<double>()};
  for (const auto& [name, tensor] : toy.method->state().tensors)
    all.push_back(tensor.to(DType::f64).to_vector<double>());
  return all;
}

std::string refusal(const std::string& file, Toy& toy) {
  const auto before = all_of(toy);
  std::string why;
  try {
    load_training_state(file, *toy.method);
  } catch (const Error& e) {
    why = e.what();
  }
  CHECK(all_of(toy) == before);
  CHECK(why.find(file) != std::string::npos);
  return why;
}

MethodOptions options_of(const MethodRow& row, const char* optimizer) {
  MethodOptions options;
  options.optimizer = {.name = optimizer, .momentum = 0.9, .weight_decay = 0.1};
  if (row.trains == Trains::adapters) options.optimizer.lora_plus_ratio = 16;
  return options;
}

}  // namespace

TEST_CASE("training state: a run that is saved and loaded goes on bit for bit, whatever the method") {
  const Folder folder;
  for (const MethodRow& row : methods())
    for (const char* optimizer : {"adamw", "sgd", "ivon"}) {
      CAPTURE(row.name);
      CAPTURE(optimizer);
      const bool samples = std::string(optimizer) == "ivon";  // where the gradient is taken
      if (samples && (row.perturbs != Perturbs::nothing || row.trains == Trains::all_weights)) continue;
      Toy whole(row.name, options_of(row, optimizer)), resumed(row.name, options_of(row, optimizer));
      for (int64_t t = 1; t <= 2; ++t) whole.step(t);
      CHECK_FALSE(whole.step(3, 0.01, 0.05, NAN).finite);  // a skipped step is a step begun
      const auto before = all_of(whole);
      save_training_state(folder / "state", *whole.method);
      CHECK(all_of(whole) == before);
      CHECK(load_training_state(folder / "state", *resumed.method) == 3);
      CHECK(resumed.method->steps() == 2);
      CHECK(all_of(resumed) == before);
      for (int64_t t = 4; t <= 6; ++t) {
        whole.step(t);
        resumed.step(t);
      }
      CHECK(all_of(resumed) == all_of(whole));
      CHECK(resumed.method->step_state().read().step == 5);  // counted from 0
      CHECK(resumed.method->step_state().read().step == whole.method->step_state().read().step);
    }
}

TEST_CASE("training state: files without counters, as programs before them wrote") {
  const Folder folder;
  Toy whole("eflat-lora"), resumed("eflat-lora");
  for (int64_t t = 1; t <= 3; ++t) whole.step(t);
  NamedTensors tensors = whole.method->state().tensors;
  CHECK(tensors.size() == 3);
  tensors.emplace_back("arena", whole.arena.values());
  save_safetensors(folder / "optimizer.safetensors", tensors);
  const SafetensorsFile file(folder / "optimizer.safetensors");
  for (const char* name : {"arena", "optimizer.m", "optimizer.v", "perturbation.b"}) CHECK(file.contains(name));
  CHECK(refusal(folder / "optimizer.safetensors", resumed) ==
        (folder / "optimizer.safetensors") + " does not say how many steps were taken");
  CHECK(load_training_state(folder / "optimizer.safetensors", *resumed.method, 3) == 3);
  for (int64_t t = 4; t <= 6; ++t) {
    whole.step(t);
    resumed.step(t);
  }
  CHECK(all_of(resumed) == all_of(whole));
}

TEST_CASE("training state: what does not belong to the run is refused, and changes nothing") {
  const Folder folder;
  Toy lora("lora"), eflat("eflat-lora"), full("full"), wide("lora", {}, DType::f64);
  lora.step(1);
  save_training_state(folder / "lora", *lora.method);
  CHECK(refusal(folder / "lora", eflat) == (folder / "lora") + " is the training state of lora, not of eflat-lora");
  CHECK(refusal(folder / "nowhere", lora).find("cannot open ") == 0);
  CHECK(refusal(folder / "lora", wide).find("tensor `optimizer.m` of ") == 0);

  // The same sizes, but other names.
  std::vector<nn::ArenaSpec> specs = Toy::specs(true);
  specs[1].name = "other";
  nn::Arena other(cpu(), DType::f32, specs, Toy::adapters(true));
  const auto of_other = make_method("lora", other, {});
  CHECK_THROWS_WITH_AS(
      load_training_state(folder / "lora", *of_other),
      ((folder / "lora") + " is the training state of other tensors than the 4 that are trained here").c_str(), Error);

  fs::resize_file(folder / "lora", fs::file_size(folder / "lora") - 4);
  CHECK(refusal(folder / "lora", lora).find("is the file cut off?") != std::string::npos);
  NamedTensors tensors = lora.method->state().tensors;
  save_safetensors(folder / "no-arena", tensors, {{"t", "1"}, {"step", "1"}});
  CHECK(refusal(folder / "no-arena", lora).find("has no tensor `arena`") != std::string::npos);
  tensors.emplace_back("arena", lora.arena.values().slice_rows(0, 3));
  save_safetensors(folder / "short", tensors, {{"t", "1"}, {"step", "1"}});
  CHECK(refusal(folder / "short", lora).find("tensor `arena` of ") == 0);
  tensors.back().second = lora.arena.values();
  for (const char* count : {"-1", "one", "1 ", "", "99999999999999999999"}) {
    save_safetensors(folder / "count", tensors, {{"t", count}, {"step", "1"}});
    CHECK(refusal(folder / "count", lora) == (folder / "count") + ": its t is '" + count + "', not a count");
  }
}

TEST_CASE("training state: writing is all or nothing, at the centre") {
  const Folder folder;
  Toy toy("eflat-lora");
  save_training_state(folder / "state", *toy.method);
  const auto read = [&] {
    std::ifstream in(folder / "state", std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const std::string before = read();
  toy.step(1);
  {
    const auto view = toy.method->training_view();
    CHECK_THROWS_WITH_AS(save_training_state(folder / "state", *toy.method),
                         "a training state must see the centre, but a perturbed view is open", Error);
    CHECK_THROWS_AS(load_training_state(folder / "state", *toy.method), Error);
  }
  CHECK(read() == before);
  save_training_state(folder / "state", *toy.method);
  CHECK(read() != before);
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder.path)) ++files;
  CHECK(files == 1);
  const std::string nowhere = folder / "nowhere/state";
  std::string why;
  try {
    save_training_state(nowhere, *toy.method);
  } catch (const Error& e) {
    why = e.what();
  }
  CHECK(why.find(nowhere) != std::string::npos);
}
