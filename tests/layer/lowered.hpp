// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/graph/lower.hpp>

namespace umsrep::test {

/// The graph of one layer on an image: the image is node 0.
template <class Layer>
constexpr graph lowered(shape image) {
    graph_builder b(image);
    b.value().heads.push_back({"layer", 1, 1, 0, 0, 0});
    b.value().heads[0].output = b.in("layer", [&] { return lower_type<Layer>(b, 0); });
    return b.value();
}

/// The shape that a layer gives.
template <class Layer>
constexpr shape shape_after(shape image) {
    const graph g = lowered<Layer>(image);
    return g.ok() ? g[g.heads[0].output].out : shape{};
}

/// What a layer must make of an image.
struct shape_case {
    graph (*lower)(shape image);
    shape image, out;
    std::ptrdiff_t parameters, statistics;
};

} // namespace umsrep::test
