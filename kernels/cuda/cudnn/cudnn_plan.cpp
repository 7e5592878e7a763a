#include "kernels/cuda/cudnn/cudnn_plan.h"

#if !defined(LL_CUDNN)

namespace lowland::cuda {

class CudnnAttentionPlan {};

CudnnAttentionPlan* cudnn_attention_plan(const CudnnAttentionShape&, std::string& why) {
  why = "this build has not found the headers of cudnn-frontend";
  return nullptr;
}
size_t cudnn_workspace(const CudnnAttentionPlan&) { return 0; }
bool cudnn_run(CudnnAttentionPlan&, const CudnnPointers&, void*, void*, std::string&) { return false; }

}  // namespace lowland::cuda

#else

#include <cudnn_frontend.h>
#include <dlfcn.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <unordered_map>
#include <utility>

// cudnn-frontend calls cuDNN through this handle.
namespace cudnn_frontend {
void* cudnn_dlhandle = nullptr;
}

namespace lowland::cuda {
namespace fe = cudnn_frontend;

class CudnnAttentionPlan {
 public:
  fe::graph::Graph graph;
  cudnnHandle_t handle = nullptr;
  int64_t workspace = 0;
};

namespace {

using Tensor = std::shared_ptr<fe::graph::Tensor_attributes>;

auto key_of(const CudnnAttentionShape& s, int device) {
  std::string strides;
  for (const int64_t stride : s.stride) strides += std::to_string(stride) + ' ';
  return std::tuple{device, s.S, s.NH, s.NKV, s.HD, s.max_q, s.max_k, strides, s.scale, s.mask, s.backward};
}

// The process's cuDNN: the library, a handle for each device, and the plans.
struct Library {
  struct Entry {
    std::unique_ptr<CudnnAttentionPlan> plan;  // null: refused
    std::string why;
  };
  std::mutex mutex;
  std::string missing;
  std::map<int, cudnnHandle_t> handles;
  std::map<decltype(key_of(CudnnAttentionShape(), 0)), Entry> plans;

  Library() {
    for (const char* name : {"libcudnn.so.9", "libcudnn.so"}) {
      fe::cudnn_dlhandle = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
      if (fe::cudnn_dlhandle != nullptr) break;
    }
    if (fe::cudnn_dlhandle == nullptr) {
      missing = "libcudnn.so.9 was not found (LD_LIBRARY_PATH may name its folder)";
    } else if (fe::detail::get_backend_version() < 90600) {
      missing = "cuDNN " + std::to_string(fe::detail::get_backend_version()) + " is older than 9.6";
    } else if (fe::detail::get_backend_version() >= 92500) {
      // From 9.25 on a deterministic backward that would want more than this adds up dq in order, in a workspace that
      // grows with the rows only. cudnn-frontend takes the limit from nowhere else; a user's own stands.
      setenv("CUDNN_FRONTEND_ATTN_DP_WORKSPACE_LIMIT", std::to_string(kMostCudnnWorkspace).c_str(), 0);
    }
  }
};

Library& library() {
  static Library shared;
  return shared;
}

class Builder {
 public:
  Builder(fe::graph::Graph& graph, const CudnnAttentionShape& shape) : graph_(graph), s_(shape) {
    graph_.set_io_data_type(fe::DataType_t::BFLOAT16)
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT);
    q_length_ = integers(kQLength, s_.S);
    k_length_ = integers(kKLength, s_.S);
  }

  void forward() {
    auto options = masked(fe::graph::SDPA_attributes().set_name("attention").set_generate_stats(true));
    auto [o, lse] = graph_.sdpa(input(kQ), input(kK), input(kV), options);
    output(o, kO);
    output(lse, kLse);
  }
  void backward() {
    auto options =
        masked(fe::graph::SDPA_backward_attributes().set_name("attention_backward").set_deterministic_algorithm(true));
    auto [dq, dk, dv] =
        graph_.sdpa_backward(input(kQ), input(kK), input(kV), input(kO), input(kDO), input(kLse), options);
    output(dq, kDQ);
    output(dk, kDK);
    output(dv, kDV);
  }

 private:
  static bool of_keys(int operand) { return operand == kK || operand == kV || operand == kDK || operand == kDV; }

  Tensor integers(int uid, int64_t n) {
    return graph_.tensor(fe::graph::Tensor_attributes()
                             .set_uid(uid + 1)
                             .set_name("list_" + std::to_string(uid))
                             .set_dim({n, 1, 1, 1})
                             .set_stride({1, 1, 1, 1})
                             .set_data_type(fe::DataType_t::INT32));
  }
  // (S, heads, longest, width) as if every segment had the longest's rows; the offsets say where it really starts.
  void describe(fe::graph::Tensor_attributes& tensor, int operand) {
    const int64_t longest = of_keys(operand) ? s_.max_k : s_.max_q, heads = of_keys(operand) ? s_.NKV : s_.NH;
    const int64_t width = operand == kLse ? 1 : s_.HD, stride = s_.stride[operand];
    tensor.set_uid(operand + 1)
        .set_dim({s_.S, heads, longest, width})
        .set_stride({longest * stride, width, stride, 1})
        .set_data_type(operand == kLse ? fe::DataType_t::FLOAT : fe::DataType_t::BFLOAT16)
        .set_ragged_offset(integers(kOffsets + operand, s_.S + 1));
  }
  Tensor input(int operand) {
    fe::graph::Tensor_attributes tensor;
    describe(tensor.set_name("operand_" + std::to_string(operand)), operand);
    return graph_.tensor(tensor);
  }
  void output(const Tensor& tensor, int operand) {
    describe(*tensor, operand);
    tensor->set_output(true);
  }
  template <class Options> Options masked(Options options) {
    options.set_attn_scale(s_.scale).set_padding_mask(true).set_seq_len_q(q_length_).set_seq_len_kv(k_length_);
    if (s_.mask == CudnnMask::top_left) options.set_causal_mask(true);
    if (s_.mask == CudnnMask::bottom_right) options.set_causal_mask_bottom_right(true);
    return options;
  }

  fe::graph::Graph& graph_;
  const CudnnAttentionShape& s_;
  Tensor q_length_, k_length_;
};

// Makes the handle of a device. Returns why not.
std::string make_handle(Library& cudnn, int device) {
  if (!cudnn.missing.empty()) return cudnn.missing;
  int major = 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  if (major < 9) return "the device is older than sm_90";
  if (cudnn.handles.count(device) > 0) return "";
  cudnnHandle_t handle = nullptr;
  if (fe::detail::create_handle(&handle) != CUDNN_STATUS_SUCCESS) return "cuDNN could not be started on this device";
  cudnn.handles[device] = handle;
  return "";
}

Library::Entry build(Library& cudnn, const CudnnAttentionShape& shape, int device) {
  const std::string why = make_handle(cudnn, device);
  if (!why.empty()) return {nullptr, why};
  auto plan = std::make_unique<CudnnAttentionPlan>();
  plan->handle = cudnn.handles[device];
  Builder builder(plan->graph, shape);
  shape.backward ? builder.backward() : builder.forward();
  auto status = plan->graph.build(plan->handle, {fe::HeurMode_t::A});
  if (status.is_good()) status = plan->graph.get_workspace_size(plan->workspace);
  if (status.is_bad()) return {nullptr, "it declines the graph: " + status.get_message()};
  return {std::move(plan), ""};
}

}  // namespace

CudnnAttentionPlan* cudnn_attention_plan(const CudnnAttentionShape& shape, std::string& why) {
  Library& cudnn = library();
  const std::lock_guard<std::mutex> lock(cudnn.mutex);
  int device = 0;
  cudaGetDevice(&device);
  const auto key = key_of(shape, device);
  auto found = cudnn.plans.find(key);
  if (found == cudnn.plans.end()) {
    Library::Entry entry;
    try {
      entry = build(cudnn, shape, device);
    } catch (const std::exception& error) {
      entry = {nullptr, std::string("cudnn-frontend failed: ") + error.what()};
    }
    found = cudnn.plans.emplace(key, std::move(entry)).first;
  }
  why = found->second.why;
  return found->second.plan.get();
}

size_t cudnn_workspace(const CudnnAttentionPlan& plan) { return plan.workspace; }

bool cudnn_run(CudnnAttentionPlan& plan, const CudnnPointers& pointers, void* workspace, void* stream,
               std::string& why) {
  std::unordered_map<int64_t, void*> by_uid;
  for (int i = 0; i < kCudnnPointers; ++i)
    if (pointers.data[i] != nullptr) by_uid[i + 1] = pointers.data[i];
  if (fe::detail::set_stream(plan.handle, static_cast<cudaStream_t>(stream)) != CUDNN_STATUS_SUCCESS) {
    why = "its handle does not take the stream";
    return false;
  }
  auto status = plan.graph.execute(plan.handle, by_uid, workspace);
  if (status.is_bad()) why = "running the graph failed: " + status.get_message();
  return status.is_good();
}

}  // namespace lowland::cuda

#endif
