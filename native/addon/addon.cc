// Entry point of the addon: one list of areas.
#include <napi.h>

#include "addon/addon_data.h"
#include "addon/init.h"

namespace moe::addon {

static Napi::Object init_all(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new AddonData());  // deleted with the environment
  init_info(env, exports);
  init_mapped_file(env, exports);
  init_tensor(env, exports);
  init_checkpoint_layer(env, exports);
  init_prepared_layer(env, exports);
  init_make_checkpoint(env, exports);
  init_provider(env, exports);
  init_dispatch(env, exports);
  init_metrics(env, exports);
  init_routing(env, exports);
  init_layout_search(env, exports);
  init_hazards(env, exports);
  init_explain(env, exports);
  return exports;
}

}  // namespace moe::addon

static Napi::Object init(Napi::Env env, Napi::Object exports) { return moe::addon::init_all(env, exports); }
NODE_API_MODULE(moescope, init)
