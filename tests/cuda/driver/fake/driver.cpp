// SPDX-License-Identifier: MIT
// A driver with one device that computes nothing.
#include "libraries.hpp"

#include <cstring>
#include <new>
#include <utility>

#undef cuEventElapsedTime // newer headers give the name to a newer function

struct CUctx_st {};
struct CUstream_st {
    bool captured = false;
    std::vector<std::function<void()>> work;
};
struct CUevent_st {
    bool timed = false, marked = false;
    double at = 0;
};
struct CUgraph_st {
    std::vector<std::function<void()>> work;
};
struct CUgraphExec_st : CUgraph_st {};
struct CUmod_st {
    std::map<std::string, CUfunction> functions;
};
struct CUfunc_st {
    std::string name;
};

namespace {

fake::state all;
CUctx_st primary;
thread_local CUcontext current = nullptr;
thread_local int captures = 0; ///< streams that this thread captures

/// CUDA_SUCCESS where a context is current.
CUresult in_context() {
    if (all.broken) return CUDA_ERROR_ILLEGAL_ADDRESS;
    return current == &primary && all.contexts > 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}
/// The same for what must not be done while work is captured.
CUresult outside_capture() { return captures > 0 ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : in_context(); }
std::size_t used() {
    std::size_t bytes = 0;
    for (const auto& block : all.blocks) bytes += block.second;
    return bytes;
}
bool inside(CUdeviceptr p, std::size_t bytes) {
    auto after = all.blocks.upper_bound(p);
    if (after == all.blocks.begin()) return false;
    --after;
    return p + bytes <= after->first + after->second;
}
template <class Work>
CUresult give(CUstream s, Work work) {
    if (const CUresult r = in_context(); r != CUDA_SUCCESS) return r;
    fake_enqueue(s, work);
    return CUDA_SUCCESS;
}

} // namespace

extern "C" {

fake::state* fake_state() { return &all; }
void fake_enqueue(CUstream s, const std::function<void()>& work) {
    if (s->captured) s->work.push_back(work);
    else work();
}
bool fake_is_captured(CUstream s) { return s->captured; }
bool fake_has_context() { return in_context() == CUDA_SUCCESS; }

CUresult cuInit(unsigned) { return CUDA_SUCCESS; }
/// NVRTC asks a driver that is loaded for one, whose first number is its size: here there is nothing else in it.
CUresult cuGetExportTable(const void** table, const CUuuid*) {
    static constexpr std::size_t size = sizeof size;
    *table = &size;
    return CUDA_SUCCESS;
}
CUresult cuDriverGetVersion(int* version) {
    *version = CUDA_VERSION;
    return CUDA_SUCCESS;
}
CUresult cuGetErrorName(CUresult result, const char** name) {
    *name = result == CUDA_SUCCESS                            ? "CUDA_SUCCESS"
            : result == CUDA_ERROR_OUT_OF_MEMORY              ? "CUDA_ERROR_OUT_OF_MEMORY"
            : result == CUDA_ERROR_INVALID_CONTEXT            ? "CUDA_ERROR_INVALID_CONTEXT"
            : result == CUDA_ERROR_ILLEGAL_ADDRESS            ? "CUDA_ERROR_ILLEGAL_ADDRESS"
            : result == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED ? "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"
                                                              : "CUDA_ERROR_UNKNOWN";
    return CUDA_SUCCESS;
}
CUresult cuGetErrorString(CUresult result, const char** text) {
    *text = result == CUDA_SUCCESS ? "no error" : "as the test wants it";
    return CUDA_SUCCESS;
}
CUresult cuDeviceGetCount(int* count) {
    *count = 1;
    return CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice* device, int) {
    *device = 0;
    return CUDA_SUCCESS;
}
CUresult cuDeviceGetName(char* name, int, CUdevice) {
    std::strcpy(name, "a device that computes nothing");
    return CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute which, CUdevice) {
    *value = which == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 9 : which == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT ? 132 : 0;
    return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice) {
    ++all.contexts;
    *context = &primary;
    return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease(CUdevice) {
    --all.contexts;
    return CUDA_SUCCESS;
}
CUresult cuCtxSetCurrent(CUcontext context) {
    current = context;
    return in_context();
}

CUresult cuMemAlloc(CUdeviceptr* address, std::size_t bytes) {
    if (const CUresult r = outside_capture(); r != CUDA_SUCCESS) return r;
    if (used() + bytes > all.memory) return CUDA_ERROR_OUT_OF_MEMORY;
    void* const block = ::operator new (bytes, std::align_val_t{256});
    std::memset(block, 0, bytes);
    *address = reinterpret_cast<CUdeviceptr>(block);
    all.blocks[*address] = bytes;
    return CUDA_SUCCESS;
}
CUresult cuMemFree(CUdeviceptr address) {
    if (const CUresult r = in_context(); r != CUDA_SUCCESS) return r;
    if (all.blocks.erase(address) == 0) return CUDA_ERROR_INVALID_VALUE;
    ::operator delete (reinterpret_cast<void*>(address), std::align_val_t{256});
    return CUDA_SUCCESS;
}
CUresult cuMemGetInfo(std::size_t* left, std::size_t* whole) {
    *left = all.memory - used();
    *whole = all.memory;
    return in_context();
}
CUresult cuMemHostAlloc(void** address, std::size_t bytes, unsigned) {
    if (const CUresult r = outside_capture(); r != CUDA_SUCCESS) return r;
    *address = ::operator new(bytes);
    std::memset(*address, 0, bytes);
    return CUDA_SUCCESS;
}
CUresult cuMemFreeHost(void* address) {
    ::operator delete(address);
    return in_context();
}
CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, std::size_t bytes, CUstream s) {
    if (!inside(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
    return give(s, [=] { std::memset(reinterpret_cast<void*>(to), value, bytes); });
}
CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void* from, std::size_t bytes, CUstream s) {
    if (!inside(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
    return give(s, [=] { std::memcpy(reinterpret_cast<void*>(to), from, bytes); });
}
CUresult cuMemcpyDtoHAsync(void* to, CUdeviceptr from, std::size_t bytes, CUstream s) {
    if (!inside(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
    return give(s, [=] { std::memcpy(to, reinterpret_cast<const void*>(from), bytes); });
}

CUresult cuStreamCreate(CUstream* s, unsigned) {
    *s = new CUstream_st;
    ++all.streams;
    return in_context();
}
CUresult cuStreamDestroy(CUstream s) {
    delete s;
    --all.streams;
    return in_context();
}
CUresult cuStreamSynchronize(CUstream s) { return s->captured ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : outside_capture(); }
CUresult cuStreamWaitEvent(CUstream, CUevent e, unsigned) { return e->marked ? in_context() : CUDA_ERROR_INVALID_VALUE; }
CUresult cuStreamBeginCapture(CUstream s, CUstreamCaptureMode) {
    if (std::exchange(s->captured, true)) return CUDA_ERROR_ILLEGAL_STATE;
    ++captures;
    return in_context();
}
CUresult cuStreamEndCapture(CUstream s, CUgraph* graph) {
    if (!std::exchange(s->captured, false)) return CUDA_ERROR_ILLEGAL_STATE;
    --captures;
    ++all.graphs;
    *graph = new CUgraph_st{std::exchange(s->work, {})};
    return in_context();
}

CUresult cuEventCreate(CUevent* e, unsigned flags) {
    if (const CUresult r = in_context(); r != CUDA_SUCCESS) return r;
    *e = new CUevent_st{(flags & CU_EVENT_DISABLE_TIMING) == 0, false, 0};
    ++all.events;
    return CUDA_SUCCESS;
}
CUresult cuEventDestroy(CUevent e) {
    delete e;
    --all.events;
    return in_context();
}
CUresult cuEventRecord(CUevent e, CUstream s) {
    return give(s, [e] { e->marked = true, e->at = all.clock; });
}
CUresult cuEventSynchronize(CUevent e) { return e->marked ? outside_capture() : CUDA_ERROR_INVALID_VALUE; }
CUresult cuEventElapsedTime(float* milliseconds, CUevent begin, CUevent end) {
    if (!begin->timed || !end->timed || !begin->marked || !end->marked) return CUDA_ERROR_INVALID_HANDLE;
    *milliseconds = static_cast<float>(1e3 * (end->at - begin->at));
    return in_context();
}

CUresult cuGraphDestroy(CUgraph graph) {
    delete graph;
    --all.graphs;
    return CUDA_SUCCESS;
}
CUresult cuGraphInstantiateWithFlags(CUgraphExec* instance, CUgraph graph, unsigned long long) {
    *instance = new CUgraphExec_st{*graph};
    ++all.instances;
    return in_context();
}
CUresult cuGraphLaunch(CUgraphExec instance, CUstream s) {
    ++all.replays;
    return give(s, [work = instance->work] {
        for (const auto& one : work) one();
    });
}
CUresult cuGraphExecDestroy(CUgraphExec instance) {
    delete instance;
    --all.instances;
    return CUDA_SUCCESS;
}

CUresult cuModuleLoadData(CUmodule* module, const void* image) {
    if (const CUresult r = in_context(); r != CUDA_SUCCESS) return r;
    if (std::memcmp(image, "\177ELF", 4) != 0) return CUDA_ERROR_INVALID_IMAGE;
    *module = new CUmod_st;
    ++all.modules;
    ++all.images;
    return CUDA_SUCCESS;
}
CUresult cuModuleUnload(CUmodule module) {
    for (const auto& f : module->functions) delete f.second;
    delete module;
    --all.modules;
    return in_context();
}
CUresult cuModuleGetFunction(CUfunction* f, CUmodule module, const char* name) {
    *f = module->functions[name] = new CUfunc_st{name};
    return CUDA_SUCCESS;
}
CUresult cuLaunchKernel(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream s, void**, void**) {
    return give(s, [] { ++all.launches, all.clock += 1e-6; });
}

} // extern "C"
