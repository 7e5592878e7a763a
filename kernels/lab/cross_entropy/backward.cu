#include "kernels/lab/cross_entropy/backward.h"

#include "kernels/lab/device_lab.cuh"

namespace lowland::lab {
template void cross_entropy_backward_versions(DeviceLab&);
}
