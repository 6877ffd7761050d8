// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <umsrep/backend/gradient_check.hpp>
#include <umsrep/backend/reference/reference.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/core/thread_pool.hpp>

#include <tests/support/bits.hpp>
#include <tests/support/nodes.hpp>

namespace umsrep::test {

/// One operation with memory of its own, filled with random numbers: all that a test of forward and backward needs.
template <class T, class Backend = reference<T>>
struct operation {
    node n;
    int batch;
    thread_pool pool;
    std::vector<T> in[2], out, weight, bias, running_mean, running_var, state;
    std::vector<T> grad_out, grad_in[2], grad_weight, grad_bias, workspace, workers;
    random_stream random{seed{1}, "dropout"};
    operands<T> o;

    operation(const node& what, int samples, std::uint64_t s, int threads = 1) : n{what}, batch{samples}, pool{threads} {
        random_stream stream(seed{s}, "operation");
        const auto fill = [&](std::vector<T>& v, std::ptrdiff_t size) {
            v.resize(static_cast<std::size_t>(size));
            for (T& x : v) x = static_cast<T>(stream.normal());
        };
        const shape in_shape[2] = {n.in, second_shape()};
        for (const std::size_t i : {0u, 1u}) {
            fill(in[i], batch * in_shape[i].size());
            fill(grad_in[i], batch * in_shape[i].size());
        }
        fill(out, batch * n.out.size());
        fill(grad_out, batch * n.out.size());
        fill(weight, n.weight.size);
        fill(bias, n.bias.size);
        fill(grad_weight, n.weight.size);
        fill(grad_bias, n.bias.size);
        if (n.kind == op::batch_norm)
            for (auto* v : {&running_mean, &running_var}) fill(*v, n.in.c);
        for (T& v : running_var) v = v * v + T(0.5);
        fill(state, Backend::state_size(n, true, true));
        fill(workspace, Backend::workspace_size(n, batch, threads, true));
        std::ptrdiff_t of_worker = 0;
        if constexpr (requires { Backend::worker_size; }) of_worker = Backend::worker_size(n, batch, threads, true);
        fill(workers, of_worker * threads);

        o.n = &n;
        o.pool = &pool;
        o.workspace = workspace.data();
        o.workers = {workers.data(), of_worker};
        for (const std::size_t i : {0u, 1u}) {
            o.in[i] = {in[i].data(), batch, in_shape[i]};
            o.grad_in[i] = {grad_in[i].data(), batch, in_shape[i]};
            if (in[i].empty()) o.in[i] = {}, o.grad_in[i] = {};
        }
        o.out = {out.data(), batch, n.out};
        o.grad_out = {grad_out.data(), batch, n.out};
        const auto pointer = [](std::vector<T>& v) { return v.empty() ? nullptr : v.data(); };
        o.weight = pointer(weight);
        o.bias = pointer(bias);
        o.grad_weight = pointer(grad_weight);
        o.grad_bias = pointer(grad_bias);
        o.running_mean = pointer(running_mean);
        o.running_var = pointer(running_var);
        o.state = pointer(state);
        o.training = o.batch_statistics = true;
        o.random = &random;
    }
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;

    void forward() { Backend::forward(o); }
    void backward() { Backend::backward(o); }

    /// sum grad_out * out after a forward pass: the scalar whose gradients backward computes.
    T loss() {
        forward();
        T total = 0;
        for (std::size_t i = 0; i < out.size(); ++i) total += grad_out[i] * out[i];
        return total;
    }

private:
    shape second_shape() const {
        if (n.kind == op::add) return n.in;
        if (n.kind == op::concat) return {n.out.c - n.in.c, n.in.h, n.in.w};
        return {};
    }
};

template <class T>
double inner(const std::vector<T>& a, const std::vector<T>& b) {
    double total = 0;
    for (std::size_t i = 0; i < a.size(); ++i) total += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return total;
}

} // namespace umsrep::test
