// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>

#include <umsrep/backend/cuda/kernel/dropout.cuh>
#include <umsrep/backend/cuda/loaded_kernels.hpp>
#include <umsrep/backend/cuda/prepared_graph.hpp>

namespace umsrep::cuda {

/// What an executor, and a training step, ask of a device: all that is computed goes through these few words, so a test may stand
/// another machine in the device's place. Calls give the device work and return before it is done; `synchronize`, or a wait for an event,
/// says that it is done. Memory of the host that is copied from or to must live, and stay as it is, until then.
template <class M>
concept machine_like = requires(M& m, const typename M::prepared& ready, const typename M::recording& once, typename M::event& e,
                                const operation_graph& g, std::span<const argument> arguments, void* on_device, void* on_host,
                                std::size_t bytes, queue q, void (*work)()) {
    { m.allocate(bytes) } -> std::same_as<typename M::memory>;              // `address()`, `bytes()`; what it holds means nothing
    { m.allocate_on_host(bytes) } -> std::same_as<typename M::host_memory>; // the same
    m.upload(on_device, on_host, bytes, q);
    m.download(on_host, on_device, bytes, q);
    m.zero(on_device, bytes);
    { m.prepare(g, precision{}) } -> std::same_as<std::shared_ptr<const typename M::prepared>>;
    { ready.workspace() } -> std::convertible_to<std::size_t>;  // bytes
    m.run(ready, arguments, on_device);                         // the last: its workspace
    m.launch(kernel::make_streams{});                           // any body of kernel/
    m.rehearse(work);                                           // calls it; nothing is done, but kernels that it would launch are loaded
    { m.capture(work) } -> std::same_as<typename M::recording>; // calls it; what it gives the queue `compute` is kept instead of done
    m.replay(once);
    { m.make_event() } -> std::same_as<typename M::event>;
    m.mark(e, q); // the event comes when what queue q has been given so far is done
    m.wait(q, e); // queue q goes on when the event has come
    m.wait(e);    // so does the caller
    m.synchronize();
    { m.rehearsing() } -> std::same_as<bool>;
    { m.capturing() } -> std::same_as<bool>;
    { M::describe() } -> std::same_as<std::string>; // for records
};

/// A device by its driver, cuDNN and NVRTC. One thread at a time may use it, any thread.
class machine {
public:
    using memory = device_memory;
    using host_memory = pinned_memory;
    using prepared = prepared_graph;
    using recording = captured_work;
    using event = device_event;

    /// `deterministic`: the same bits in every run. Throws device_error where the backend cannot compute on the device.
    explicit machine(int device_number = 0, bool deterministic = true)
        : device_{std::make_shared<const device>(device_number)},
          cudnn_{device_->stream()},
          description_{device_number},
          kernels_{device_},
          deterministic_{deterministic} {}
    machine(const machine&) = delete;
    machine& operator=(const machine&) = delete;
    ~machine() { driver().context_set(device_->context()); }

    memory allocate(std::size_t bytes) { return {device_, bytes}; }
    host_memory allocate_on_host(std::size_t bytes) { return {device_, bytes}; }

    void upload(void* to, const void* from, std::size_t bytes, queue q = queue::compute) {
        if (idle(bytes)) return;
        driver().check(driver().copy_to_device(pointer(to), from, bytes, device_->stream(q)), "copy to the device");
    }
    void download(void* to, const void* from, std::size_t bytes, queue q = queue::compute) {
        if (idle(bytes)) return;
        driver().check(driver().copy_to_host(to, pointer(from), bytes, device_->stream(q)), "copy to the host");
    }
    void zero(void* to, std::size_t bytes) {
        if (idle(bytes)) return;
        driver().check(driver().fill(pointer(to), 0, bytes, device_->stream()), "fill memory with zeros");
    }

    /// The same graph is prepared once.
    std::shared_ptr<const prepared> prepare(const operation_graph& g, precision p) {
        std::shared_ptr<const prepared>& known = plans_[key_of(g) + std::string(name(p))];
        if (known) return known;
        device_->use();
        return known = std::make_shared<const prepared>(g, description_, demands_of(p, deterministic_));
    }
    void run(const prepared& g, std::span<const argument> arguments, void* workspace) {
        if (!idle(1)) g.plan().execute(cudnn_, arguments, workspace);
    }
    template <class Body>
    void launch(const Body& body) {
        if (rehearsing_) wanted_.insert(kernel_name<Body>());
        else if (!idle(1)) kernels_.launch(body, !capturing_);
    }

    template <class Work>
    void rehearse(Work&& work) {
        const during now(rehearsing_);
        work();
        kernels_.load(std::exchange(wanted_, {}));
    }
    template <class Work>
    recording capture(Work&& work) {
        device_->use();
        const driver_api& api = driver();
        api.check(api.stream_capture(device_->stream(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), "capture work");
        CUgraph graph = nullptr;
        try {
            const during now(capturing_);
            work();
        } catch (...) {
            if (api.stream_captured(device_->stream(), &graph) == CUDA_SUCCESS) api.graph_destroy(graph);
            throw;
        }
        api.check(api.stream_captured(device_->stream(), &graph), "capture work");
        return {device_, graph};
    }
    void replay(const recording& once) {
        if (!idle(1)) driver().check(driver().graph_launch(once.get(), device_->stream()), "replay what was captured");
    }

    event make_event() { return event{device_}; }
    void mark(event& e, queue q) {
        if (!idle(1)) driver().check(driver().event_record(e.get(), device_->stream(q)), "mark an event");
    }
    void wait(queue q, event& e) {
        if (!idle(1)) driver().check(driver().stream_wait(device_->stream(q), e.get(), 0), "wait for an event");
    }
    void wait(event& e) {
        if (!idle(1)) driver().check(driver().event_synchronize(e.get()), "wait for an event");
    }
    void synchronize() {
        if (!rehearsing_) device_->synchronize();
    }

    static std::string describe() { return describe_device(); }
    bool rehearsing() const { return rehearsing_; }
    bool capturing() const { return capturing_; }
    const loaded_kernels& kernels() const { return kernels_; }

private:
    /// Sets a flag for as long as it lives.
    struct during {
        bool& flag;
        explicit during(bool& f) : flag{f} { flag = true; }
        during(const during&) = delete;
        during& operator=(const during&) = delete;
        ~during() { flag = false; }
    };

    static CUdeviceptr pointer(const void* address) { return reinterpret_cast<CUdeviceptr>(address); }
    /// Whether there is nothing to do; otherwise the calling thread uses the device from here on.
    bool idle(std::size_t bytes) const {
        if (rehearsing_ || bytes == 0) return true;
        device_->use();
        return false;
    }

    std::shared_ptr<const device> device_;
    cudnn_handle cudnn_;
    device_description description_;
    loaded_kernels kernels_;
    bool deterministic_, rehearsing_ = false, capturing_ = false;
    std::set<std::string> wanted_;
    std::unordered_map<std::string, std::shared_ptr<const prepared>> plans_;
};

static_assert(machine_like<machine>);

} // namespace umsrep::cuda
