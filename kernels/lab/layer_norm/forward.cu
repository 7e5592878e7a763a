#include "kernels/lab/layer_norm/forward.h"

#include "kernels/lab/device_lab.cuh"

namespace lowland::lab {
template void layer_norm_forward_versions(DeviceLab&);
}
