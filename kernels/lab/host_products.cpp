#include "kernels/lab/frozen_matmul/forward.h"
#include "kernels/lab/host_lab.h"

namespace lowland::lab {

template void frozen_matmul_forward_versions(HostLab&);

}  // namespace lowland::lab
