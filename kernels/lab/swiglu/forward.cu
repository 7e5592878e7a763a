#include "kernels/lab/swiglu/forward.h"

#include "kernels/lab/device_lab.cuh"

namespace lowland::lab {
template void swiglu_forward_versions(DeviceLab&);
}
