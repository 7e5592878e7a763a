#include "kernels/lab/rms_norm/forward.h"

#include "kernels/lab/device_lab.cuh"

namespace lowland::lab {
template void rms_norm_forward_versions(DeviceLab&);
}
