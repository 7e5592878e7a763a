#include "optim/methods.h"

#include "engine/error.h"
#include "optim/bar.h"
#include "optim/bi_lora.h"
#include "optim/eflat_lora.h"
#include "optim/flat_lora.h"
#include "optim/flat_lora_random.h"
#include "optim/lora_functional_sam.h"
#include "optim/lora_sam.h"
#include "optim/mgpo.h"
#include "optim/msam.h"

namespace lowland::optim {
namespace {

template <class M> std::unique_ptr<Method> make(const MethodRow& row, nn::Arena& arena, const MethodOptions& options) {
  return std::make_unique<M>(row, arena, options);
}

// Options that several methods have.
MethodOption rho() {
  return {.name = "rho", .initial = 0.05, .range = "[0, inf)", .help = "radius of the perturbation"};
}
MethodOption rho_schedule() {
  return {.name = "rho-schedule",
          .initial = "constant",
          .words = {"constant", "linear", "cosine", "inv-sqrt"},
          .help = "how the radius changes"};
}
// Of methods that know the gradient before they need the radius.
MethodOption rho_schedule_by_gradient() {
  MethodOption option = rho_schedule();
  option.words.push_back("le-sam");
  return option;
}
MethodOption rho_max() {
  return {.name = "rho-max",
          .initial = 0.2,
          .range = "(0, inf)",
          .help = "with le-sam, the most that the radius is",
          .on_card = false};
}
MethodOption rho_kind() {
  return {.name = "rho-kind",
          .initial = "absolute",
          .words = {"absolute", "relative"},
          .help = "what rho is a multiple of, 1 or the norm of each matrix's s B A"};
}
MethodOption norm(const std::vector<std::string>& words) {
  return {.name = "norm", .initial = words.front(), .words = words, .help = "norm of the perturbation"};
}
MethodOption rcond() {
  return {.name = "pinv-rcond",
          .initial = 1e-3,
          .range = "[0, 1)",
          .help = "relative cut-off of the pseudo-inverses of A and B",
          .on_card = false};
}
MethodOption alpha() {
  return {.name = "bar-alpha",
          .initial = 0.5,
          .range = "[0, inf)",
          .help = "strength of the balancing at the first step, which goes to 0 as half a cosine"};
}

}  // namespace

const std::vector<MethodRow>& methods() {
  static const std::vector<MethodRow> rows = {
      {.name = "lora", .summary = "Plain LoRA: the gradient at (A, B).", .gradient_at = "(A, B)", .make = make<Method>},
      {.name = "eflat-lora",
       .summary = "Flat minima at the price of plain LoRA: B is perturbed by a moving average of past perturbations.",
       .perturbs = Perturbs::b,
       .gradient_at = "(A, B + e)",
       .extra_memory = "e: one array like B",
       .loss_name = "loss_perturbed",
       .moving_average = true,
       .options = {rho(),
                   rho_kind(),
                   rho_schedule_by_gradient(),
                   rho_max(),
                   norm({"layer", "global"}),
                   {.name = "beta",
                    .initial = 0.9,
                    .range = "(0, 1]",
                    .help = "weight of the new perturbation in the moving average"},
                   rcond()},
       .make = make<EflatLora>},
      {.name = "flat-lora",
       .summary = "Flat minima by two passes: B is perturbed along an estimate of the gradient of the whole matrix.",
       .passes = 2,
       .perturbs = Perturbs::b,
       .gradient_at = "(A, B + E_B)",
       .extra_memory = "E_B: one array like B",
       .options = {rho(), rho_kind(), rho_schedule_by_gradient(), rho_max(), norm({"layer", "global"}), rcond()},
       .make = make<FlatLora>},
      {.name = "lora-sam",
       .summary = "Sharpness-aware minimisation (SAM) by two passes: A and B are perturbed along their gradients.",
       .passes = 2,
       .perturbs = Perturbs::a_and_b,
       .gradient_at = "(A + E_A, B + E_B)",
       .extra_memory = "one array like A, one like B",
       .options = {rho(), rho_schedule_by_gradient(), rho_max(), norm({"joint", "factor"})},
       .make = make<LoraSam>},
      {.name = "bi-lora",
       .summary = "A second pair beside each adapter climbs the loss while the first descends, in one pass.",
       .perturbs = Perturbs::beside,
       .gradient_at = "(A, B) and (A2, B2) together",
       .extra_memory = "values and gradients of a second pair",
       .loss_name = "loss_perturbed",
       .options = {rho(),
                   rho_schedule(),
                   {.name = "aux-rank", .initial = 8.0, .range = "[1, 512]", .help = "rank of the second pairs"},
                   {.name = "aux-lr-ratio",
                    .initial = 1.0,
                    .range = "(0, inf)",
                    .help = "learning rate of the second pairs, over that of the first"}},
       .make = make<BiLora>},
      {.name = "lora-obar",
       .summary = "Balancedness-aware regularisation: the larger of A and B shrinks, the smaller grows.",
       .gradient_at = "(A, B)",
       .options = {alpha()},
       .strength = "bar-alpha",
       .make = make<Bar>},
      {.name = "lora-nbar",
       .summary = "Balancedness-aware regularisation by gradients: of A and B the one with the larger gradient grows.",
       .gradient_at = "(A, B)",
       .options = {alpha()},
       .strength = "bar-alpha",
       .make = make<Bar>},
      {.name = "flat-lora-random",
       .summary = "W is perturbed by noise in proportion to its rows, drawn anew for each step and never stored.",
       .perturbs = Perturbs::weights,
       .gradient_at = "(A, B) at W + noise",
       .extra_memory = "one weight matrix at a time",
       .loss_name = "loss_perturbed",
       .options = {{.name = "sigma",
                    .initial = 0.05,
                    .range = "[0, inf)",
                    .help = "deviation of the noise at the last step, over a row's length; it rises from 0"}},
       .strength = "sigma",
       .strength_kind = RhoKind::rising,
       .make = make<FlatLoraRandom>},
      {.name = "msam",
       .summary = "Momentum-SAM: A and B are moved back along the optimizer's momentum, which costs no pass.",
       .perturbs = Perturbs::a_and_b,
       .gradient_at = "(A + E_A, B + E_B)",
       .extra_memory = "one array like A, one like B",
       .loss_name = "loss_perturbed",
       .reads_momentum = true,
       .options = {rho(), rho_schedule()},
       .make = make<Msam>},
      {.name = "lora-mgpo",
       .summary = "Momentum-guided perturbation: W is moved against the direction in which the momentum moves B A.",
       .perturbs = Perturbs::beside,
       .gradient_at = "(A, B) at W + E",
       .extra_memory = "two arrays like A, two like B",
       .loss_name = "loss_perturbed",
       .reads_momentum = true,
       .options = {rho(),
                   rho_schedule(),
                   {.name = "gradient-beta",
                    .initial = 0.9,
                    .range = "[0, 1)",
                    .help = "weight of the past in the moving average of gradient norms"}},
       .make = make<Mgpo>},
      {.name = "lora-functional-sam",
       .summary =
           "As flat-lora, but the second pass is under the loss's gradient of the first: the Jacobian alone moves.",
       .passes = 2,
       .perturbs = Perturbs::b,
       .gradient_at = "(A, B + E_B), loss at (A, B)",
       .extra_memory = "E_B: one array like B; the gradient of the outputs",
       .keeps_loss_gradients = true,
       .options = {rho(), rho_kind(), rho_schedule_by_gradient(), rho_max(), norm({"layer", "global"}), rcond()},
       .make = make<LoraFunctionalSam>},
      {.name = "full",
       .summary = "Every weight is trained, without an adapter.",
       .trains = Trains::all_weights,
       .gradient_at = "W",
       .extra_memory = "gradient and optimizer state of every weight",
       .learning_rate = 2e-5,
       .make = make<Method>},
  };
  return rows;
}

const MethodOption* MethodRow::option(const std::string& option_name) const {
  for (const MethodOption& o : options)
    if (o.name == option_name) return &o;
  return nullptr;
}

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const MethodRow& row : methods()) names.push_back(row.name);
  return names;
}

const MethodRow* find_method(const std::string& name) {
  for (const MethodRow& row : methods())
    if (row.name == name) return &row;
  return nullptr;
}

const MethodRow& method_row(const std::string& name) {
  const MethodRow* const row = find_method(name);
  LL_CHECK(row != nullptr, "unknown method '{}': one of {}", name, fmt::join(method_names(), ", "));
  return *row;
}

}  // namespace lowland::optim
