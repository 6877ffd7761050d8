// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <Eigen/Core>

namespace umsrep::loss::detail {

// Functions of packs are templates, though there is one kind of pack: a program compiles Eigen's expressions of the losses that it uses only.

/// Elements that a loss computes together, in double. Eigen's fixed arrays become vector instructions under every optimising flag,
/// exp and log included, and the last pack of a row is filled up, so an element's bits do not depend on where it stands.
inline constexpr int lanes = 16;
using pack = Eigen::Array<double, lanes, 1>;
/// The same, as a type that depends on T.
template <class T>
using pack_for = std::conditional_t<sizeof(T) != 0, pack, void>;

/// The first `count` <= 16 elements at `p`; zeros behind them.
template <class T>
pack load(const T* p, int count) {
    if (count == lanes) return Eigen::Map<const Eigen::Array<T, lanes, 1>>{p}.template cast<double>();
    pack result = pack::Zero();
    for (int l = 0; l < count; ++l) result[l] = static_cast<double>(p[l]);
    return result;
}

/// Whether a term of a loss overwrites the gradient or is added to that of the term before it.
enum class write : std::uint8_t { replace, add };

/// Writes the first `count` elements to `p`.
template <class T>
void store(T* p, pack value, int count, write mode) {
    if (mode == write::add) value += load(p, count);
    for (int l = 0; l < count; ++l) p[l] = static_cast<T>(value[l]);
}

/// Sum of the first `count` elements.
template <class Pack>
double sum(const Pack& value, int count) {
    if (count == lanes) return value.sum();
    double total = 0.0;
    for (int l = 0; l < count; ++l) total += value[l];
    return total;
}

/// `body(i, count)` for every pack of [begin, end): elements i, ..., i + count - 1.
template <class Body>
void for_packs(std::ptrdiff_t begin, std::ptrdiff_t end, Body body) {
    for (std::ptrdiff_t i = begin; i < end; i += lanes) body(i, static_cast<int>(std::min<std::ptrdiff_t>(lanes, end - i)));
}

/// -1, 0 or 1 with the sign of x, and 1 where x > 0, else 0. (Numbers below 1e-308 count as fractions of 1.) Comparisons of Eigen's
/// arrays are no vector instructions; these are.
template <class Pack>
Pack sign(const Pack& x) {
    return (x * 1e308).max(-1.0).min(1.0);
}
template <class Pack>
Pack is_positive(const Pack& x) {
    return (x * 1e308).max(0.0).min(1.0);
}

/// The logistic function and its logarithm without overflow or cancellation, from one exp.
template <class Pack>
struct logistic {
    Pack e;       ///< exp(-|x|)
    Pack yes, no; ///< sigmoid(x) and sigmoid(-x), each to a few roundings

    explicit logistic(const Pack& x) : e{(-x.abs()).exp()} {
        const Pack positive = is_positive(x), share = 1.0 / (1.0 + e);
        yes = (positive + (1.0 - positive) * e) * share;
        no = ((1.0 - positive) + positive * e) * share;
    }

    /// log(1 + exp(-x)) = -log(sigmoid(x)). The rounding of 1 + e is put right to first order, which is all there is in double.
    Pack softplus_of_negative(const Pack& x) const {
        const Pack u = 1.0 + e;
        return (-x).max(0.0) + (u.log() + (e - (u - 1.0)) / u);
    }
};

} // namespace umsrep::loss::detail
