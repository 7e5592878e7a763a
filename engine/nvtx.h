// Named ranges on the timeline of Nsight Systems, in the domain `lowland`. Nothing at all without LOWLAND_NVTX.
#pragma once
#ifdef LL_NVTX
#include <nvtx3/nvToolsExt.h>
#endif

namespace lowland {

#ifdef LL_NVTX
inline nvtxDomainHandle_t nvtx_domain() {
  static const nvtxDomainHandle_t domain = nvtxDomainCreateA("lowland");
  return domain;
}
inline void nvtx_push(const char* name) {
  nvtxEventAttributes_t range{};
  range.version = NVTX_VERSION;
  range.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  range.messageType = NVTX_MESSAGE_TYPE_ASCII;
  range.message.ascii = name;
  nvtxDomainRangePushEx(nvtx_domain(), &range);
}
inline void nvtx_pop() { nvtxDomainRangePop(nvtx_domain()); }
#else
inline void nvtx_push(const char*) {}
inline void nvtx_pop() {}
#endif

namespace nvtx {

// step > phase > layer.i > op
class Range {
 public:
  explicit Range(const char* name) { nvtx_push(name); }
  ~Range() { nvtx_pop(); }
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;
};

}  // namespace nvtx

}  // namespace lowland
