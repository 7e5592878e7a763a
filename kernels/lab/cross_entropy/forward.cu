#include "kernels/lab/cross_entropy/forward.h"

#include "kernels/lab/device_lab.cuh"

namespace lowland::lab {
template void cross_entropy_forward_versions(DeviceLab&);
}
