#include "kernels/lab/frozen_matmul/forward.h"

#include "kernels/lab/device_lab.cuh"

namespace lowland::lab {
template void frozen_matmul_forward_versions(DeviceLab&);
}
