/* The C ABI between MoEscope and whatever runs a layer: the built-in reference and cpu providers, the cuda
 * provider, or an engineer's own shared library.
 *
 * The host decides (native/core/dispatch), the provider executes: a batch arrives with its path and kernel already
 * chosen, so that every provider shows the same decision chain. All pointers given to a call stay valid for that call
 * only, except layer tensors, which the host keeps alive and unchanged until destroy_layer returns.
 *
 * Rules: every function may be called from any thread; calls on one layer are serialised by the host. A function
 * returns MOE_OK or an error code and then last_error (per thread) gives one sentence. No exception crosses.
 */
#ifndef MOESCOPE_PROVIDER_H
#define MOESCOPE_PROVIDER_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define MOE_PROVIDER_ABI 1

typedef enum moe_status {
  MOE_OK = 0,
  MOE_INVALID = 1,      /* the caller's arguments are wrong */
  MOE_UNSUPPORTED = 2,  /* a capability is missing: say which */
  MOE_NO_DEVICE = 3,    /* device or driver absent */
  MOE_OUT_OF_MEMORY = 4,
  MOE_DEVICE_LOST = 5,  /* fault while running; the layer can only be destroyed */
  MOE_CANCELLED = 6,
  MOE_INTERNAL = 7
} moe_status;

/* Names are safetensors': F4 packed two a byte is carried as U8 with layout "fp4". */
typedef enum moe_dtype { MOE_U8 = 0, MOE_F8_E4M3 = 1, MOE_BF16 = 2, MOE_F32 = 3, MOE_F64 = 4, MOE_I32 = 5, MOE_F16 = 6 } moe_dtype;

typedef enum moe_path { MOE_PATH_B12X = 0, MOE_PATH_CUTLASS = 1, MOE_PATH_REFERENCE = 2 } moe_path;
typedef enum moe_kernel {
  MOE_KERNEL_DIRECT_MICRO = 0,
  MOE_KERNEL_MICRO = 1,
  MOE_KERNEL_STATIC = 2,
  MOE_KERNEL_DYNAMIC = 3,
  MOE_KERNEL_CUTLASS = 4,
  MOE_KERNEL_REFERENCE = 5
} moe_kernel;

typedef enum moe_activation { MOE_SILU = 0, MOE_GELU_TANH = 1, MOE_SWIGLUOAI = 2, MOE_RELU2 = 3 } moe_activation;

/* Scale contract of the prepared tensors (domain: unit-alpha, activation-alpha, clean). The last three are answers of
 * the reference provider from the checkpoint's own scales. */
typedef enum moe_contract {
  MOE_UNIT_ALPHA = 0,
  MOE_ACTIVATION_ALPHA = 1,
  MOE_CLEAN = 2,
  MOE_IDEAL = 3,            /* one activation scale for all experts: the maximum; fp64 throughout */
  MOE_IDEAL_PER_EXPERT = 4, /* each projection's own activation scale */
  MOE_WEIGHTS_ONLY = 5      /* activations not quantized */
} moe_contract;

typedef struct moe_tensor {
  const char* name;   /* the published parameter name: "w13_weight", "w2_cutlass_g_alphas", ... */
  const char* layout; /* "linear", "sf128x4", "mma6d", "fp4" */
  int32_t dtype;      /* moe_dtype */
  int32_t rank;
  int64_t shape[6];
  const void* data;
  uint64_t bytes;
} moe_tensor;

/* One expert projection as the checkpoint stores it; packed == NULL for an absent gate projection. */
typedef struct moe_projection {
  const uint8_t* packed;      /* [N, K/2], even element in the low nibble */
  const uint8_t* block_scale; /* [N, K/16] E4M3, linear */
  /* value = e2m1 * e4m3 * s2. Exactly one of s2 / s2_inverse is non-zero: ModelOpt stores the small form, compressed-
   * tensors the large one, and 1/large in fp32 is not the same number. Likewise for the input scale; both 0 = absent. */
  float s2, s2_inverse;
  float input_scale, input_scale_inverse;
} moe_projection;

typedef struct moe_layer_desc {
  uint32_t struct_size;
  int32_t hidden, intermediate, experts, top_k;
  int32_t gated;      /* 0: w13 has I rows (relu2); 1: 2I rows, [up, gate] */
  int32_t activation; /* moe_activation */
  float swiglu_alpha, swiglu_limit; /* swigluoai: 1.702 and 7 unless the model says otherwise; limit 0 = none */
  int32_t contract;   /* moe_contract of `tensors` */
  int32_t threshold;  /* cutlass_prefill_threshold; > 0 means the six w13_/w2_cutlass_* tensors are present */
  const moe_tensor* tensors;
  int32_t tensor_count;
  const moe_projection *gate, *up, *down; /* [experts] each, from the checkpoint; NULL where only tensors are known */
} moe_layer_desc;

enum { MOE_TAP_NONE = 0, MOE_TAP_X_Q = 1, MOE_TAP_X_SF = 2, MOE_TAP_FC1 = 4, MOE_TAP_ACT = 8, MOE_TAP_ACT_Q = 16, MOE_TAP_ACT_SF = 32, MOE_TAP_FC2 = 64, MOE_TAP_ALL = 127 };
/* Taps are rows in (token, slot) order, T*k of them, slot = position in topk_ids, whatever order the kernel uses:
 *   x_q    U8  [T*k, H/2]  quantized FC1 input        x_sf   F8_E4M3 [T*k, H/16] linear
 *   fc1    F32 [T*k, N1]   after the FC1 multiplier, before any activation; N1 = 2I as [up, gate], or I
 *   act    F32 [T*k, I]    the value that FC2's quantizer reads (bf16-rounded where the path rounds)
 *   act_q  U8  [T*k, I/2]  act_sf F8_E4M3 [T*k, I/16] linear
 *   fc2    F32 [T*k, H]    FC2 result after its multiplier, before the router weight
 * x_q and x_sf are given as [T, H/2] and [T, H/16] when all experts share one FC1 input scale.
 * The reference provider gives fc1, act, fc2 as F64. I is the unpadded intermediate size. */

typedef struct moe_batch {
  uint32_t struct_size;
  int32_t tokens;
  const uint16_t* x;         /* BF16 [T, H] */
  const int32_t* topk_ids;   /* [T, k]; every id in [0, experts) */
  const float* topk_weights; /* [T, k] */
  int32_t path, kernel;      /* moe_path, moe_kernel */
  int32_t tile_m, tile_n;    /* of the chosen kernel; 0 = the kernel has none */
  int32_t taps;              /* MOE_TAP_* mask */
  int32_t deterministic;     /* 1: fixed-order reduction; 0: the order of the real kernel's atomics (seeded by `seed`) */
  uint64_t seed;
  const volatile int32_t* cancel; /* non-NULL: the provider polls it and returns MOE_CANCELLED when it is not 0 */
} moe_batch;

typedef struct moe_stage_time {
  const char* stage; /* "quantize", "fc1", "activation", "fc2", "finalize", "total" */
  double microseconds;
} moe_stage_time;

/* Where the provider puts results: the host allocates. `tensor` is called once per output ("y" and each tap) before
 * anything is written and returns memory of `bytes` bytes, or NULL to decline (out of memory or not wanted). */
typedef struct moe_sink {
  void* context;
  void* (*tensor)(void* context, const char* name, int32_t dtype, int32_t rank, const int64_t* shape, uint64_t bytes);
  void (*time)(void* context, const moe_stage_time* time);
  void (*workspace)(void* context, uint64_t bytes);
} moe_sink;

typedef struct moe_capabilities {
  uint32_t struct_size;
  int32_t paths;                    /* bit (1 << moe_path) */
  int32_t activations;              /* bit (1 << moe_activation) */
  int32_t contracts;                /* bit (1 << moe_contract) */
  int32_t taps;                     /* MOE_TAP_* mask */
  int32_t cutlass_prefill_threshold; /* 0: an "older build": hybrid is refused at wrapper construction */
  int32_t deterministic_only;
  int32_t max_tokens;               /* 0 = no limit of its own */
  const char* timing_source;        /* "steady_clock", "cuda events" */
} moe_capabilities;

typedef struct moe_device {
  uint32_t struct_size;
  char name[128];     /* "AMD EPYC ... (AVX-512 VNNI, 2 threads)" */
  char driver[64];
  char arch[32];      /* "x86-64-v4", "sm_90" */
  int32_t available;  /* 0: see reason */
  char reason[256];
  uint64_t memory_bytes;
} moe_device;

typedef struct moe_layer moe_layer;

/* What a layer holds of a device's own memory, bytes. */
typedef struct moe_layer_memory {
  uint32_t struct_size;
  int32_t graphs;     /* captured graphs that are kept */
  uint64_t tensors;   /* FP4 codes, the scales of each path, multipliers */
  uint64_t reordered; /* copies of them in the order that kernels read */
  uint64_t runs;      /* buffers of runs, kept from run to run: batch, y, workspace */
} moe_layer_memory;

typedef struct moe_provider {
  uint32_t abi;         /* MOE_PROVIDER_ABI */
  uint32_t struct_size;
  const char* name;     /* "reference", "cpu", "cuda" */
  const char* version;
  moe_status (*capabilities)(moe_capabilities* out);
  moe_status (*probe)(moe_device* out);
  moe_status (*create_layer)(const moe_layer_desc* desc, moe_layer** out);
  moe_status (*run)(moe_layer* layer, const moe_batch* batch, const moe_sink* sink);
  void (*destroy_layer)(moe_layer* layer);
  const char* (*last_error)(void); /* of the calling thread; never NULL */
  /* Since struct_size 80. NULL: the provider works in the host's memory. */
  moe_status (*layer_memory)(moe_layer* layer, moe_layer_memory* out);
} moe_provider;

/* The one exported symbol of a provider library. */
const moe_provider* moescope_provider(void);
typedef const moe_provider* (*moescope_provider_fn)(void);

#ifdef __cplusplus
}
#endif
#endif
