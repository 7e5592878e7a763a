#include "kernels/lab/attention/forward.h"

#include "kernels/lab/device_lab.cuh"

namespace lowland::lab {
template void attention_forward_versions(DeviceLab&);
}
