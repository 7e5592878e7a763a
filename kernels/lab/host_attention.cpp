#include "kernels/lab/attention/backward.h"
#include "kernels/lab/attention/forward.h"
#include "kernels/lab/host_lab.h"

namespace lowland::lab {

template void attention_forward_versions(HostLab&);
template void attention_backward_versions(HostLab&);

}  // namespace lowland::lab
