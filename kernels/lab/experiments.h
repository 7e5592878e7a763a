// The experiments of the lab, each in a folder of its op's name, on a HostLab or a DeviceLab.
#pragma once

namespace lowland::lab {

class DeviceLab;
class HostLab;

template <class Lab> void rms_norm_forward_versions(Lab&);
template <class Lab> void rms_norm_backward_versions(Lab&);
template <class Lab> void layer_norm_forward_versions(Lab&);
template <class Lab> void rope_forward_versions(Lab&);
template <class Lab> void swiglu_forward_versions(Lab&);
template <class Lab> void swiglu_backward_versions(Lab&);
template <class Lab> void cross_entropy_forward_versions(Lab&);
template <class Lab> void cross_entropy_backward_versions(Lab&);
template <class Lab> void attention_forward_versions(Lab&);
template <class Lab> void attention_backward_versions(Lab&);
template <class Lab> void eflat_perturbation_versions(Lab&);
template <class Lab> void frozen_matmul_forward_versions(Lab&);

template <class Lab> struct NamedExperiment {
  const char* name;
  void (*run)(Lab&);
};
template <class Lab>
inline constexpr NamedExperiment<Lab> kExperiments[] = {
    {"rms_norm_forward", rms_norm_forward_versions<Lab>},
    {"rms_norm_backward", rms_norm_backward_versions<Lab>},
    {"layer_norm_forward", layer_norm_forward_versions<Lab>},
    {"rope_forward", rope_forward_versions<Lab>},
    {"swiglu_forward", swiglu_forward_versions<Lab>},
    {"swiglu_backward", swiglu_backward_versions<Lab>},
    {"cross_entropy_forward", cross_entropy_forward_versions<Lab>},
    {"cross_entropy_backward", cross_entropy_backward_versions<Lab>},
    {"attention_forward", attention_forward_versions<Lab>},
    {"attention_backward", attention_backward_versions<Lab>},
    {"eflat_perturbation", eflat_perturbation_versions<Lab>},
    {"frozen_matmul_forward", frozen_matmul_forward_versions<Lab>},
};

}  // namespace lowland::lab
