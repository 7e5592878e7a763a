#include "kernels/lab/rope/forward.h"

#include "kernels/lab/device_lab.cuh"

namespace lowland::lab {
template void rope_forward_versions(DeviceLab&);
}
