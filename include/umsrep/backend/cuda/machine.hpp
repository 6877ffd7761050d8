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

#include <umsrep/backend/cuda/file_cache.hpp>
#include <umsrep/backend/cuda/graph_trial.hpp>
#include <umsrep/backend/cuda/kernel/dropout.cuh>
#include <umsrep/backend/cuda/kernel_launcher.hpp>
#include <umsrep/backend/cuda/machine_options.hpp>
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
    { m.prepare(g, precision{}, true) } -> std::same_as<std::shared_ptr<const typename M::prepared>>; // whether it will run often
    { ready.workspace() } -> std::convertible_to<std::size_t>;  // bytes
    m.run(ready, arguments, on_device);                         // the last: its workspace
    m.launch(kernel::make_streams{});                           // any body of kernel/
    m.rehearse(work);                                           // calls it; nothing is done, but kernels that it would launch are loaded
    { m.capture(work) } -> std::same_as<typename M::recording>; // calls it; what it gives the queue `compute` is kept instead of done
    m.replay(once);
    { m.seconds(once) } -> std::same_as<double>; // replays it, waits, and says how long the device took
    { m.make_event() } -> std::same_as<typename M::event>;
    m.mark(e, q); // the event comes when what queue q has been given so far is done
    m.wait(q, e); // queue q goes on when the event has come
    m.wait(e);    // so does the caller
    m.synchronize();
    { m.held() } -> std::same_as<std::size_t>; // bytes of the device's memory
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

    /// Throws device_error where the backend cannot compute on the device.
    explicit machine(int device_number = 0, const machine_options& o = {})
        : device_{std::make_shared<const device>(device_number)},
          cudnn_{device_->stream()},
          description_{device_number},
          kernels_{device_},
          options_{o} {
        if (const std::string why = file_cache{file_cache::default_folder(), {}}.problem(); !why.empty())
            problem_ = "kernels and plans are made anew in every run: " + why;
    }
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

    /// The same graph is prepared once: its plan is tried and, where it pays because the graph will run `often`, measured against others, in
    /// memory that is given back. Throws device_error, while work is captured or rehearsed, too.
    std::shared_ptr<const prepared> prepare(const operation_graph& g, precision p, bool often = false) {
        machine_options how = options_;
        if (!often) how.plan = plans::first;
        const std::string key = key_of(g) + std::string(name(p)) + (how.plan == plans::measured ? " measured" : "");
        std::shared_ptr<const prepared>& known = plans_[key];
        if (known) return known;
        if (capturing_ || rehearsing_) throw device_error(g.name, "a plan that was made before work is captured", "none");
        device_->use();
        known = std::make_shared<const prepared>(g, description_, demands_of(p, how.deterministic), how, plan_cache_,
                                                 graph_trial<machine>(*this, g));
        if (problem_.empty()) problem_ = known->problem();
        return known;
    }
    void run(const prepared& g, std::span<const argument> arguments, void* workspace) {
        try {
            run(g.plan(), arguments, workspace);
        } catch (const memory_error&) {
            throw;
        } catch (const cuda_error&) {
            // So that the next run of the program chooses anew; but what an earlier kernel broke, which answers nothing, is not the plan's fault.
            std::size_t left = 0, all = 0;
            if (driver().memory_left(&left, &all) == CUDA_SUCCESS) g.forget();
            throw;
        }
    }
    void run(const graph_plan& p, std::span<const argument> arguments, void* workspace) {
        if (!idle(1)) p.execute(cudnn_, arguments, workspace);
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
        kernels_.kernels().load(std::exchange(wanted_, {}));
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

    double seconds(const recording& once) {
        device_->use();
        const device_event begin(device_, CU_EVENT_DEFAULT), end(device_, CU_EVENT_DEFAULT);
        const driver_api& api = driver();
        api.check(api.event_record(begin.get(), device_->stream()), "mark an event");
        replay(once);
        api.check(api.event_record(end.get(), device_->stream()), "mark an event");
        api.check(api.event_synchronize(end.get()), "wait for an event");
        float milliseconds = 0;
        api.check(api.event_elapsed(&milliseconds, begin.get(), end.get()), "take the time between two events");
        return 1e-3 * static_cast<double>(milliseconds);
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
    std::size_t held() const { return device_->held(); }
    bool rehearsing() const { return rehearsing_; }
    bool capturing() const { return capturing_; }
    const loaded_kernels& kernels() const { return kernels_.kernels(); }
    const machine_options& options() const { return options_; }
    /// Why something that was dear to make could not be kept on disk, so that it is made anew in every run of the program; or empty.
    std::string problem() const { return problem_.empty() ? kernels_.kernels().problem() : problem_; }

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
    kernel_launcher kernels_;
    machine_options options_;
    file_cache plan_cache_{file_cache::default_folder(), "plan-"};
    bool rehearsing_ = false, capturing_ = false;
    std::set<std::string> wanted_;
    std::string problem_; ///< of plans
    std::unordered_map<std::string, std::shared_ptr<const prepared>> plans_;
};

/// A machine of device 0 with options that are part of its type, so that a model names them:
///
///     model<net, on_cuda<cuda::precision::bf16, cuda::machine_with<cuda::machine_options{.plan = cuda::plans::first}>>>
template <machine_options Options>
class machine_with : public machine {
public:
    machine_with() : machine(0, Options) {}
};

static_assert(machine_like<machine> && machine_like<machine_with<machine_options{.plan = plans::first}>>);

} // namespace umsrep::cuda
