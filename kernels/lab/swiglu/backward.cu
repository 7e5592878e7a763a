#include "kernels/lab/swiglu/backward.h"

#include "kernels/lab/device_lab.cuh"

namespace lowland::lab {
template void swiglu_backward_versions(DeviceLab&);
}
