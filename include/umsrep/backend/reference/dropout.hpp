// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <umsrep/backend/operands.hpp>
#include <umsrep/backend/reference/parallel.hpp>

namespace umsrep::reference_ops {

namespace detail {
/// to = from * mask, the mask zero with probability attributes.value and 1 / (1 - value) otherwise, a pure function of the element's
/// number in the batch.
template <class T>
void drop(const operands<T>& o, std::ptrdiff_t size, const T* from, bool add, T* to) {
    const double p = o.training ? o.n->a.value : 0;
    const T keep = p < 1 ? static_cast<T>(1 / (1 - p)) : T{0};
    const auto threshold = static_cast<std::uint64_t>(p * 0x1p32); // of 2^32 equally likely numbers, this many drop
    for_chunks(o.pool, size, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
        for (std::ptrdiff_t first = begin; first < end; first += 4) { // chunks begin at multiples of 4, as blocks do
            const auto numbers = threshold == 0 ? std::array<std::uint32_t, 4>{} : o.random->block(static_cast<std::uint64_t>(first) / 4);
            for (std::ptrdiff_t i = first; i < std::min(first + 4, end); ++i) {
                const T value = numbers[static_cast<std::size_t>(i - first)] >= threshold ? keep * from[i] : T{0};
                to[i] = add ? to[i] + value : value;
            }
        }
    });
}
} // namespace detail

/// Source: Srivastava et al., "Dropout", JMLR 2014, in the inverted form: the expectation stays, inference is the identity.
template <class T>
void forward_dropout(const operands<T>& o) {
    detail::drop(o, o.out.size(), o.in[0].data, false, o.out.data);
}

template <class T>
void backward_dropout(const operands<T>& o) {
    if (o.grad_in[0]) detail::drop(o, o.grad_out.size(), o.grad_out.data, o.accumulate[0], o.grad_in[0].data);
}

} // namespace umsrep::reference_ops
