// One Init function an area; addon.cc calls each. A new area adds its line here and in addon.cc.
#pragma once

#include <napi.h>

namespace moe::addon {

void init_info(Napi::Env env, Napi::Object exports);
void init_mapped_file(Napi::Env env, Napi::Object exports);
void init_tensor(Napi::Env env, Napi::Object exports);
void init_checkpoint_layer(Napi::Env env, Napi::Object exports);
void init_prepared_layer(Napi::Env env, Napi::Object exports);
void init_make_checkpoint(Napi::Env env, Napi::Object exports);
void init_provider(Napi::Env env, Napi::Object exports);
void init_dispatch(Napi::Env env, Napi::Object exports);
void init_metrics(Napi::Env env, Napi::Object exports);
void init_routing(Napi::Env env, Napi::Object exports);
void init_layout_search(Napi::Env env, Napi::Object exports);
void init_hazards(Napi::Env env, Napi::Object exports);
void init_explain(Napi::Env env, Napi::Object exports);

}  // namespace moe::addon
