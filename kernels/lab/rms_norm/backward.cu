#include "kernels/lab/rms_norm/backward.h"

#include "kernels/lab/device_lab.cuh"

namespace lowland::lab {
template void rms_norm_backward_versions(DeviceLab&);
}
