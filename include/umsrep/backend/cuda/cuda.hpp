// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/session.hpp>
#include <umsrep/backend/executor.hpp>

namespace umsrep {

/// The backend for NVIDIA's devices: `model<net, on_cuda<>>`. Activations, and weights where layers read them, are stored in the precision's
/// type; parameters, sums and statistics are fp32. `Machine`: what computes; a test names another.
template <cuda::precision P = cuda::precision::bf16, class Machine = cuda::machine>
struct on_cuda {
    using scalar = float; ///< of the host's arrays
    static constexpr int scalar_bytes = static_cast<int>(cuda::size_of(cuda::storage_type(P)));
    static constexpr storage_policy storage = cuda::device_storage;
    static std::string name() { return "cuda<" + std::string(cuda::name(P)) + ">"; }
    static std::string device() { return Machine::describe(); }

    using session = cuda::session<Machine, P>;
};

/// Runs one plan on a device for whoever has images and losses on the host. Images, results and gradients of results go through memory of
/// the host that the device copies by itself. A run in inference is captured when a batch size comes for the second time, and replayed.
template <cuda::precision P, class Machine>
class executor<on_cuda<P, Machine>> {
    using session_type = cuda::session<Machine, P>;
    using program_type = cuda::program<Machine, P>;
    using stored = typename program_type::stored;

public:
    using scalar = float;

    executor(const graph& g, const mode& m, int capacity, thread_pool&, std::shared_ptr<session_type> s)
        : graph_{&g}, session_{std::move(s)}, program_{session_->machine(), g, m, capacity, session_->store(), session_->memory()} {
        const auto take = [&](std::ptrdiff_t elements) { return std::exchange(border_, border_ + elements * capacity); };
        images_ = take(g.nodes[0].out.size());
        std::ptrdiff_t widest = 0; // of a value that the plan is given or asked for
        for (int i = 0; i < g.size(); ++i) {
            const node_plan& n = plan().nodes[static_cast<std::size_t>(i)];
            if (n.given || n.wanted) widest = std::max(widest, g[i].out.size());
        }
        value_ = take(widest);
        for (const step& at : plan().steps) {
            if (at.what != phase::head) continue;
            results_[at.head] = take(g[at.first].out.size());
            if (m.training) result_gradients_[at.head] = take(g[at.first].out.size());
        }
        const std::size_t bytes = static_cast<std::size_t>(border_) * sizeof(float);
        on_device_ = machine().allocate(bytes);
        on_host_ = machine().allocate_on_host(bytes);
        if (m.training)
            gradients_ = std::make_unique<cuda::gradient_store<Machine, P>>(machine(), session_->store().layout(), m.first_trained_stage);
    }

    const execution_plan& plan() const { return program_.plan(); }
    int capacity() const { return program_.capacity(); }

    /// As executor::set_input of other backends; so are the rest.
    template <class Image>
    void set_input(int n, const Image* images) {
        assert(n >= 1 && n <= capacity());
        std::transform(images, images + n * graph_->nodes[0].out.size(), host(images_), [](Image v) { return static_cast<float>(v); });
    }
    void set_value(int i, int n, const float* plain) {
        program_.prepare(n); // which may move the arena
        const std::ptrdiff_t size = n * (*graph_)[i].out.size();
        std::copy_n(plain, size, host(value_));
        upload(value_, size);
        program_.from_planes(device(value_), program_.image(i, n), (*graph_)[i].out.c);
        machine().synchronize();
    }
    void get_value(int i, int n, float* plain) {
        const std::ptrdiff_t size = n * (*graph_)[i].out.size();
        program_.to_planes(program_.image(i, n), device(value_));
        download(value_, size);
        machine().synchronize();
        std::copy_n(host(value_), size, plain);
    }

    template <class OnHead>
    void run(int n, const model_arrays<float>& arrays, seed dropout_seed, std::uint64_t step_number, OnHead&& on_head,
             passes which = passes::all) {
        session_->take(arrays);
        program_.prepare(n);
        typename program_type::arguments a;
        a.n = n;
        a.images = device(images_);
        a.statistics = arrays.set;
        a.dropout_seed = dropout_seed;
        a.step = static_cast<const cuda::kernel::u64*>(on_device_.address());
        a.gradients = gradients_.get();
        if (plan().what.training) train(a, arrays, step_number, on_head, which);
        else infer(a, on_head);
    }

private:
    /// What was captured of a batch size.
    struct replay {
        int runs = 0;
        typename Machine::recording work{};
        std::uint64_t generation = 0;
        int statistics = -1;
    };

    Machine& machine() { return session_->machine(); }
    float* host(std::ptrdiff_t place) { return static_cast<float*>(on_host_.address()) + place; }
    float* device(std::ptrdiff_t place) { return static_cast<float*>(on_device_.address()) + place; }
    void upload(std::ptrdiff_t place, std::ptrdiff_t size) {
        machine().upload(device(place), host(place), static_cast<std::size_t>(size) * sizeof(float), cuda::queue::compute);
    }
    void download(std::ptrdiff_t place, std::ptrdiff_t size) {
        machine().download(host(place), device(place), static_cast<std::size_t>(size) * sizeof(float), cuda::queue::compute);
    }
    shape result_shape(int head) const { return (*graph_)[result_of(graph_->heads[static_cast<std::size_t>(head)], plan().what)].out; }
    void upload_images(int n) {
        if (plan().nodes[0].value >= 0) upload(images_, n * graph_->nodes[0].out.size());
    }

    template <class Work>
    void rehearse_first(const replay& r, const typename program_type::arguments& a, Work& work) {
        if (r.runs > 0) return;
        machine().rehearse([&] {
            program_.refresh(a.statistics);
            work();
        });
    }

    template <class OnHead>
    void infer(const typename program_type::arguments& a, OnHead&& on_head) {
        const auto work = [&] {
            upload_images(a.n);
            program_.enqueue(a, [&](int h, const cuda::device_image<const stored>& result, const auto&) {
                program_.to_planes(result, device(results_.at(h)));
                download(results_.at(h), a.n * result_shape(h).size());
            });
        };
        replay& r = replays_[a.n];
        rehearse_first(r, a, work);
        program_.refresh(a.statistics);
        const bool again = r.work && r.generation == program_.memory().generation && r.statistics == a.statistics;
        if (r.runs == 0) { // once as it comes: what the libraries do at first use cannot be captured
            work();
        } else {
            if (!again) {
                r.work = machine().capture(work);
                r.generation = program_.memory().generation;
                r.statistics = a.statistics;
            }
            machine().replay(r.work);
        }
        ++r.runs;
        machine().synchronize();
        for (const auto& [h, place] : results_) on_head(h, tensor_view<float>{host(place), a.n, result_shape(h)}, tensor_view<float>{});
    }

    /// Heads' losses are the host's, so the device waits for each. Gradients and running statistics go to the arrays.
    template <class OnHead>
    void train(const typename program_type::arguments& a, const model_arrays<float>& arrays, std::uint64_t step_number, OnHead& on_head,
               passes which) {
        const auto work = [&] {
            upload_images(a.n);
            *static_cast<std::uint64_t*>(on_host_.address()) = step_number;
            machine().upload(on_device_.address(), on_host_.address(), sizeof step_number, cuda::queue::compute);
            program_.enqueue(
                a,
                [&](int h, const cuda::device_image<const stored>& result, const cuda::device_image<stored>& gradient) {
                    const shape s = result_shape(h);
                    program_.to_planes(result, device(results_.at(h)));
                    download(results_.at(h), a.n * s.size());
                    if (!machine().rehearsing()) {
                        machine().synchronize();
                        on_head(h, tensor_view<float>{host(results_.at(h)), a.n, s},
                                gradient ? tensor_view<float>{host(result_gradients_.at(h)), a.n, s} : tensor_view<float>{});
                    }
                    if (!gradient) return;
                    upload(result_gradients_.at(h), a.n * s.size());
                    program_.from_planes(device(result_gradients_.at(h)), gradient, s.c);
                },
                which);
        };
        replay& r = replays_[a.n];
        rehearse_first(r, a, work);
        ++r.runs;
        program_.refresh(a.statistics);
        work();
        machine().synchronize();
        if (which == passes::all && arrays.gradients != nullptr)
            gradients_->download(arrays.gradients, arrays.first_gradient,
                                 [&](const cuda::stored_tensor& t) { return plan().nodes[static_cast<std::size_t>(t.node)].trains; });
        session_->store().download_statistics(arrays.statistics, a.statistics);
        session_->store().changed();
    }

    const graph* graph_;
    std::shared_ptr<session_type> session_;
    program_type program_;
    // Floats: of the border, and where in it they are. It begins with the number of the step.
    std::ptrdiff_t border_ = 4, images_ = 0, value_ = 0;
    std::map<int, std::ptrdiff_t> results_, result_gradients_; ///< of heads
    typename Machine::memory on_device_;
    typename Machine::host_memory on_host_;
    std::unique_ptr<cuda::gradient_store<Machine, P>> gradients_;
    std::map<int, replay> replays_;
};

} // namespace umsrep
