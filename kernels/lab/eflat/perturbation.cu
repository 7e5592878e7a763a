#include "kernels/lab/eflat/perturbation.h"

#include "kernels/lab/device_lab.cuh"

namespace lowland::lab {
template void eflat_perturbation_versions(DeviceLab&);
}
