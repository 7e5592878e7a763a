#include "kernels/lab/attention/backward.h"

#include "kernels/lab/device_lab.cuh"

namespace lowland::lab {
template void attention_backward_versions(DeviceLab&);
}
