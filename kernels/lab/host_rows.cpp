#include "kernels/lab/cross_entropy/backward.h"
#include "kernels/lab/cross_entropy/forward.h"
#include "kernels/lab/eflat/perturbation.h"
#include "kernels/lab/host_lab.h"
#include "kernels/lab/layer_norm/forward.h"
#include "kernels/lab/rms_norm/backward.h"
#include "kernels/lab/rms_norm/forward.h"
#include "kernels/lab/rope/forward.h"
#include "kernels/lab/swiglu/backward.h"
#include "kernels/lab/swiglu/forward.h"

namespace lowland::lab {

template void rms_norm_forward_versions(HostLab&);
template void rms_norm_backward_versions(HostLab&);
template void layer_norm_forward_versions(HostLab&);
template void rope_forward_versions(HostLab&);
template void swiglu_forward_versions(HostLab&);
template void swiglu_backward_versions(HostLab&);
template void cross_entropy_forward_versions(HostLab&);
template void cross_entropy_backward_versions(HostLab&);
template void eflat_perturbation_versions(HostLab&);

}  // namespace lowland::lab
