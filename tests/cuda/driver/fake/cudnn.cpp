// SPDX-License-Identifier: MIT
// A cuDNN that has the engines a test gives it, for every graph, and computes nothing.
#include "libraries.hpp"

#include <algorithm>
#include <cstring>

#include <cudnn_graph.h>

struct cudnnContext {
    cudaStream_t stream = nullptr;
};

namespace {

struct descriptor {
    cudnnBackendDescriptorType_t type;
    bool final = false, fallback = false;
    std::int64_t engine = -1; ///< its place among all, of an engine, its configuration or its plan
    std::string json;
    std::vector<const void*> addresses; ///< of a pack of arguments
    const void* workspace = nullptr;
};

descriptor& of(cudnnBackendDescriptor_t handle) { return *static_cast<descriptor*>(static_cast<void*>(handle)); }
fake::state& all() { return *fake_state(); }
const fake::engine& engine_of(const descriptor& d) { return all().engines.at(static_cast<std::size_t>(d.engine)); }
thread_local std::string last;

cudnnStatus_t no(cudnnStatus_t status, const std::string& why) {
    last = why;
    return status;
}
/// Gives values where there is room, and says how many there are, or were given.
template <class T>
cudnnStatus_t put(const std::vector<T>& values, std::int64_t room, std::int64_t* count, void* to) {
    *count = static_cast<std::int64_t>(values.size());
    if (to == nullptr) return CUDNN_STATUS_SUCCESS;
    *count = std::min(room, *count);
    if (*count > 0) std::memcpy(to, values.data(), static_cast<std::size_t>(*count) * sizeof(T));
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t put(const std::string& text, std::int64_t room, std::int64_t* count, void* to) {
    return put(std::vector<char>(text.begin(), text.end()), room, count, to);
}

} // namespace

extern "C" {

size_t cudnnGetVersion() { return CUDNN_VERSION; }
size_t cudnnGetCudartVersion() { return CUDA_VERSION; }
cudnnStatus_t cudnnGraphVersionCheck() { return CUDNN_STATUS_SUCCESS; }
const char* cudnnGetErrorString(cudnnStatus_t) { return "CUDNN_STATUS_OF_A_TEST"; }
void cudnnGetLastErrorString(char* message, size_t size) {
    std::strncpy(message, last.c_str(), size - 1);
    last.clear();
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
    if (!fake_has_context()) return no(CUDNN_STATUS_NOT_INITIALIZED, "no context");
    *handle = new cudnnContext;
    ++all().handles;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
    delete handle;
    --all().handles;
    return fake_has_context() ? CUDNN_STATUS_SUCCESS : no(CUDNN_STATUS_NOT_INITIALIZED, "no context");
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* handle) {
    auto* const d = new descriptor{};
    d->type = type;
    *handle = static_cast<cudnnBackendDescriptor_t>(static_cast<void*>(d));
    ++all().descriptors;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t handle) {
    delete &of(handle);
    --all().descriptors;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t handle, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                       std::int64_t count, const void* values) {
    descriptor& d = of(handle);
    if (d.final) return no(CUDNN_STATUS_BAD_PARAM, "a descriptor is changed that is final");
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
        for (std::int64_t i = 0; i < count; ++i)
            if (!of(static_cast<const cudnnBackendDescriptor_t*>(values)[i]).final && name != CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)
                return no(CUDNN_STATUS_BAD_PARAM, "a descriptor is referred to that is not final");
    if (name == CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG) d.engine = of(*static_cast<const cudnnBackendDescriptor_t*>(values)).engine;
    if (name == CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION) {
        d.json.assign(static_cast<const char*>(values), static_cast<std::size_t>(count));
        for (std::size_t i = 0; i < all().engines.size(); ++i)
            if (d.json == "engine " + std::to_string(all().engines[i].number)) d.engine = static_cast<std::int64_t>(i);
    }
    if (name == CUDNN_ATTR_ENGINEHEUR_MODE) d.fallback = *static_cast<const cudnnBackendHeurMode_t*>(values) == CUDNN_HEUR_MODE_FALLBACK;
    if (name == CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS)
        d.addresses.assign(static_cast<const void* const*>(values), static_cast<const void* const*>(values) + count);
    if (name == CUDNN_ATTR_VARIANT_PACK_WORKSPACE) d.workspace = *static_cast<const void* const*>(values);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t handle) {
    descriptor& d = of(handle);
    d.final = true;
    if (d.type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) return CUDNN_STATUS_SUCCESS;
    if (d.engine < 0) return no(CUDNN_STATUS_BAD_PARAM, "a plan of an engine that there is none of");
    if (!engine_of(d).has_plan) return no(CUDNN_STATUS_NOT_SUPPORTED, "no plan of engine " + std::to_string(engine_of(d).number));
    ++all().plans;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t handle, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t,
                                       std::int64_t room, std::int64_t* count, void* to) {
    const descriptor& d = of(handle);
    switch (name) {
        case CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION:
            return put(std::string("a device that computes nothing"), room, count, to);
        case CUDNN_ATTR_ENGINEHEUR_RESULTS: {
            *count = d.fallback ? 0 : static_cast<std::int64_t>(all().engines.size());
            if (to == nullptr) return CUDNN_STATUS_SUCCESS;
            ++all().lists;
            *count = std::min(room, *count);
            for (std::int64_t i = 0; i < *count; ++i) of(static_cast<cudnnBackendDescriptor_t*>(to)[i]).engine = i;
            return CUDNN_STATUS_SUCCESS;
        }
        case CUDNN_ATTR_ENGINECFG_ENGINE:
            *count = 1;
            if (to != nullptr) of(*static_cast<cudnnBackendDescriptor_t*>(to)).engine = d.engine;
            return CUDNN_STATUS_SUCCESS;
        case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
            return put(std::vector{engine_of(d).number}, room, count, to);
        case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
            return put(std::vector<cudnnBackendNumericalNote_t>{}, room, count, to);
        case CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE:
            return put(std::vector(engine_of(d).compiles ? 1 : 0, CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION), room, count, to);
        case CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE:
        case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
            return put(std::vector{engine_of(d).workspace}, room, count, to);
        case CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION:
            return put("engine " + std::to_string(engine_of(d).number), room, count, to);
        default:
            return no(CUDNN_STATUS_NOT_SUPPORTED, "attribute " + std::to_string(name));
    }
}
cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack) {
    const fake::engine& e = engine_of(of(plan));
    const auto stream = static_cast<CUstream>(handle->stream);
    if (!fake_has_context()) return no(CUDNN_STATUS_EXECUTION_FAILED, "no context");
    if (e.lacks_memory) return no(CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED, "no memory for engine " + std::to_string(e.number));
    if (!e.runs) return no(CUDNN_STATUS_EXECUTION_FAILED, "engine " + std::to_string(e.number) + " does not run");
    if (!e.can_be_captured && fake_is_captured(stream))
        return no(CUDNN_STATUS_EXECUTION_FAILED, "engine " + std::to_string(e.number) + " cannot be captured");
    if (e.workspace > 0) {
        const auto block = all().blocks.find(reinterpret_cast<CUdeviceptr>(of(pack).workspace));
        if (block == all().blocks.end() || block->second < static_cast<std::size_t>(e.workspace))
            return no(CUDNN_STATUS_BAD_PARAM, "not enough scratch memory");
    }
    for (const void* address : of(pack).addresses)
        if (address == nullptr) return no(CUDNN_STATUS_BAD_PARAM, "no address");
    fake_enqueue(stream, [number = e.number, seconds = e.seconds] {
        ++all().runs[number];
        all().clock += seconds;
    });
    return CUDNN_STATUS_SUCCESS;
}

} // extern "C"
