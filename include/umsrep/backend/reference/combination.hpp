// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

#include <umsrep/backend/operands.hpp>
#include <umsrep/backend/reference/elementwise.hpp>
#include <umsrep/backend/reference/parallel.hpp>

namespace umsrep::reference_ops {

/// Channels of input 0, then of input 1.
template <class T>
void forward_concat(const operands<T>& o) {
    const std::ptrdiff_t first = o.in[0].s.size(), second = o.in[1].s.size();
    for_tasks(o.pool, o.out.n, [&](int i) {
        std::copy_n(o.in[1].sample(i), second, std::copy_n(o.in[0].sample(i), first, o.out.sample(i)));
    });
}

template <class T>
void backward_concat(const operands<T>& o) {
    std::ptrdiff_t begin = 0;
    // The part of an input whose gradient is not wanted is known from the other one's size.
    const std::ptrdiff_t first = o.n->in.size();
    for (const int input : {0, 1}) {
        const tensor_view<T>& to = o.grad_in[static_cast<std::size_t>(input)];
        const std::ptrdiff_t size = input == 0 ? first : o.grad_out.s.size() - first;
        if (to)
            for_tasks(o.pool, o.grad_out.n, [&](int i) {
                map_elements(size, o.accumulate[static_cast<std::size_t>(input)], to.data + i * size, [](auto g) { return g; },
                             o.grad_out.sample(i) + begin);
            });
        begin += size;
    }
}

template <class T>
void forward_add(const operands<T>& o) {
    for_chunks(o.pool, o.out.size(), [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
        map_elements(end - begin, false, o.out.data + begin, [](auto a, auto b) { return a + b; }, o.in[0].data + begin, o.in[1].data + begin);
    });
}

/// Both inputs get the gradient as it is.
template <class T>
void backward_add(const operands<T>& o) {
    for (const std::size_t input : {0u, 1u}) {
        T* to = o.grad_in[input].data;
        if (!to || (to == o.grad_out.data && !o.accumulate[input])) continue;
        for_chunks(o.pool, o.grad_out.size(), [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
            map_elements(end - begin, o.accumulate[input], to + begin, [](auto g) { return g; }, o.grad_out.data + begin);
        });
    }
}

} // namespace umsrep::reference_ops
