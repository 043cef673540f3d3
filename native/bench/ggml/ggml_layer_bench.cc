// Times the same layer on ggml's CPU backend: MUL_MAT_ID for gate, up and down with SWIGLU between, on random weights.
// Usage: ggml_layer_bench --kind nvfp4|mxfp4|mxfp4-repack [--tokens T] [--runs N] ...
// Left out, in ggml's favour: the router weights, the sum over slots, and the per-tensor scales of NVFP4.
#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml.h>

#include "bench/workload.h"

namespace moe::bench {
namespace {

/// NVFP4: 4 E4M3 scales and 32 bytes of codes for 64 weights. MXFP4: 1 E8M0 scale and 16 bytes for 32 (ggml-common.h).
void fill_weights(Random& random, ggml_tensor* tensor) {
  const bool nv = tensor->type == GGML_TYPE_NVFP4;
  const size_t block = ggml_type_size(tensor->type);
  std::vector<uint8_t> bytes(ggml_nbytes(tensor));
  random.fill(bytes.data(), bytes.size());
  for (size_t at = 0; at < bytes.size(); at += block) {
    for (size_t i = 0; i < (nv ? 4U : 1U); ++i) bytes[at + i] = static_cast<uint8_t>(nv ? 0x20 + (bytes[at + i] & 15) : 118 + (bytes[at + i] & 1));
  }
  ggml_backend_tensor_set(tensor, bytes.data(), 0, bytes.size());
}

/// Where llama.cpp puts weights of a type that has an interleaved form; the plain CPU buffer when there is none.
ggml_backend_buffer_type_t repack_buffer() {
  ggml_backend_dev_t device = ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0);
  auto* extra = reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(ggml_backend_reg_get_proc_address(ggml_backend_cpu_reg(), "ggml_backend_dev_get_extra_bufts"));
  if (extra != nullptr) {
    for (ggml_backend_buffer_type_t* type = extra(device); type != nullptr && *type != nullptr; ++type) {
      if (std::string(ggml_backend_buft_name(*type)) == "CPU_REPACK") return *type;
    }
  }
  std::fprintf(stderr, "this ggml has no repacking buffer\n");
  std::exit(1);
}

void run(const Options& o) {
  const bool repack = o.kind == "mxfp4-repack";
  const ggml_type type = o.kind == "nvfp4" ? GGML_TYPE_NVFP4 : GGML_TYPE_MXFP4;
  ggml_backend_t backend = ggml_backend_cpu_init();
  ggml_threadpool_params pool_params = ggml_threadpool_params_default(o.threads);
  ggml_backend_cpu_set_n_threads(backend, o.threads);
  ggml_backend_cpu_set_threadpool(backend, ggml_threadpool_new(&pool_params));

  ggml_context* weights = ggml_init({ggml_tensor_overhead() * 8, nullptr, true});
  ggml_tensor* gate = ggml_new_tensor_3d(weights, type, o.hidden, o.intermediate, o.experts);
  ggml_tensor* up = ggml_new_tensor_3d(weights, type, o.hidden, o.intermediate, o.experts);
  ggml_tensor* down = ggml_new_tensor_3d(weights, type, o.intermediate, o.hidden, o.experts);
  ggml_backend_alloc_ctx_tensors_from_buft(weights, repack ? repack_buffer() : ggml_backend_cpu_buffer_type());
  Random random(7);
  for (ggml_tensor* tensor : {gate, up, down}) fill_weights(random, tensor);

  ggml_context* graph_memory = ggml_init({ggml_tensor_overhead() * 32 + ggml_graph_overhead(), nullptr, true});
  ggml_tensor* x = ggml_new_tensor_3d(graph_memory, GGML_TYPE_F32, o.hidden, 1, o.tokens);
  ggml_tensor* ids = ggml_new_tensor_2d(graph_memory, GGML_TYPE_I32, o.top_k, o.tokens);
  ggml_tensor* act = ggml_swiglu_split(graph_memory, ggml_mul_mat_id(graph_memory, gate, x, ids), ggml_mul_mat_id(graph_memory, up, x, ids));
  ggml_tensor* y = ggml_mul_mat_id(graph_memory, down, act, ids);
  ggml_cgraph* graph = ggml_new_graph(graph_memory);
  ggml_build_forward_expand(graph, y);
  ggml_backend_alloc_ctx_tensors(graph_memory, backend);
  std::vector<float> values(static_cast<size_t>(o.tokens) * o.hidden);
  for (float& value : values) value = random.uniform();
  ggml_backend_tensor_set(x, values.data(), 0, values.size() * sizeof(float));

  measure(o, "ggml", [&](const std::vector<int32_t>& routing) {
    ggml_backend_tensor_set(ids, routing.data(), 0, routing.size() * sizeof(int32_t));
    if (ggml_backend_graph_compute(backend, graph) != GGML_STATUS_SUCCESS) std::exit(1);
  });
  float first = 0;
  ggml_backend_tensor_get(y, &first, 0, sizeof first);
  if (!(first > -1e30F && first < 1e30F)) std::fprintf(stderr, "ggml's output is not finite: %g\n", static_cast<double>(first));
}

}  // namespace
}  // namespace moe::bench

int main(int argc, char** argv) { moe::bench::run(moe::bench::Options::parse(argc, argv)); }
