// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>

#include <umsrep/core/random.hpp>
#include <umsrep/core/tensor_view.hpp>
#include <umsrep/graph/node.hpp>

namespace umsrep {

class thread_pool;

/// A stretch of the channels of a value or gradient, as a backend stores it, and what is left to do when it is read.
template <class T>
struct part {
    T* data = nullptr;                            ///< first element of sample 0, in the backend's layout; samples follow each other
    shape s{};                                    ///< of this part, per sample
    const std::remove_const_t<T>* norm = nullptr; ///< state of the batch_norm whose result a reader computes from data; null: read as it is
    bool relu = false;                            ///< ... and the ReLU behind it
    bool accumulate = false;                      ///< of a gradient: add instead of overwriting

    constexpr explicit operator bool() const { return data != nullptr; }
};

/// The parts of a value or gradient, channel after channel: one, or two where a concatenation is deferred. None: not there, not wanted. Of
/// a gradient in two parts one may be unwanted: its `data` is null, its shape is set.
template <class T>
struct parts {
    std::array<part<T>, 2> p{};
    int count = 0;

    constexpr explicit operator bool() const { return count > 0; }
    constexpr part<T>& operator[](int i) { return p[static_cast<std::size_t>(i)]; }
    constexpr const part<T>& operator[](int i) const { return p[static_cast<std::size_t>(i)]; }
    constexpr const part<T>* begin() const { return p.data(); }
    constexpr const part<T>* end() const { return p.data() + count; }
};

/// Scratch memory that a worker of the pool has for itself, at the same place for every op: what a core writes there it has written before, and no other core
/// has to give it up.
template <class T>
struct worker_memory {
    T* data = nullptr;
    std::ptrdiff_t size = 0; ///< elements of each worker, at least worker_size(node, batch, threads, training)

    constexpr T* of(int worker) const { return data + worker * size; }
};

/// Everything that one op reads and writes, forward and backward. A pointer or view that is null is not there (no bias) or not
/// wanted (the gradient of a frozen weight, of the network's input). Views of values that a plan does not store whole, see
/// storage_policy, have no data, but still their batch size and shape; a backend that defers nothing needs no parts.
template <class T>
struct operands {
    const node* n = nullptr;
    thread_pool* pool = nullptr;
    T* workspace = nullptr;                 ///< at least workspace_size(node, batch, threads, training) elements
    worker_memory<T> workers;               ///< where the backend has a worker_size
    T* state = nullptr;                     ///< state_size(node, ...) elements on a 64-byte boundary, kept from forward to backward

    std::array<tensor_view<const T>, 2> in; ///< forward; backward too where the op needs it (see graph/differentiate.hpp)
    std::array<parts<const T>, 2> sources;  ///< the same, and what is left to do to read it
    tensor_view<T> out;                     ///< forward writes; backward reads where the op needs it
    parts<const T> result;                  ///< the same, to be read

    const T* weight = nullptr;
    const T* bias = nullptr;
    T* running_mean = nullptr;
    T* running_var = nullptr;

    bool training = false;                  ///< dropout drops
    bool batch_statistics = false;          ///< batch_norm normalises by the batch and moves its running statistics
    bool recomputing = false;               ///< forward again, for backward: running statistics stay
    const random_stream* random = nullptr;  ///< dropout: element i of the batch uses random->at(i), forward and backward alike

    tensor_view<const T> grad_out;
    std::array<tensor_view<T>, 2> grad_in;
    std::array<bool, 2> accumulate{};       ///< add to grad_in[i] instead of overwriting it
    std::array<parts<T>, 2> sinks;          ///< the same as grad_in and accumulate
    T* grad_weight = nullptr;               ///< overwritten
    T* grad_bias = nullptr;                 ///< overwritten
};

} // namespace umsrep
