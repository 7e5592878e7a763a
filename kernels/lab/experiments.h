// The experiments of the lab, each in a folder of its op's name.
#pragma once
#include "kernels/lab/lab.h"

namespace lowland::lab {

void rms_norm_forward_versions(Lab&);
void rms_norm_backward_versions(Lab&);
void layer_norm_forward_versions(Lab&);
void rope_forward_versions(Lab&);
void swiglu_forward_versions(Lab&);
void swiglu_backward_versions(Lab&);
void cross_entropy_forward_versions(Lab&);
void cross_entropy_backward_versions(Lab&);
void attention_forward_versions(Lab&);
void attention_backward_versions(Lab&);
void eflat_perturbation_versions(Lab&);

}  // namespace lowland::lab
