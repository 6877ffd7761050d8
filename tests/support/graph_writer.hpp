// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include <tests/support/nodes.hpp>
#include <umsrep/graph/builder.hpp>

namespace umsrep::test {

/// Writes a graph at run time from nodes whose sizes are values, where networks as types would need a type for every shape.
///
///     graph_writer w({3, 5, 7});
///     w.stage("e1");
///     int x = w.put(window_node(op::conv, w.shape_of(0), 16, {.kernel = 3, .padding = 1}), 0);
///     w.head("a", x);
///     x = w.put(plain_node(op::relu, w.shape_of(x)), x);
///     const graph g = w.finish();
class graph_writer {
public:
    explicit graph_writer(shape image) : b_{image} {}

    shape shape_of(int x) const { return b_.shape_of(x); }

    /// What follows belongs to a new stage of the encoder, until the next stage or head. All stages come before the heads.
    void stage(std::string_view name) {
        close();
        b_.owner(static_cast<int>(b_.value().stages.size()));
        b_.value().stages.push_back({name, b_.size(), b_.size(), 0});
    }
    /// What follows belongs to a new head on node `tap`; the last node is its logits.
    void head(std::string_view name, int tap) {
        close();
        b_.owner(static_cast<int>(b_.value().stages.size() + b_.value().heads.size()));
        head_info h{};
        h.name = name;
        h.first = b_.size();
        h.tap = tap;
        b_.value().heads.push_back(h);
    }

    /// Appends a node as tests/support/nodes.hpp makes it: with the sizes of its parameters, without places for them.
    int put(node n, int x, int y = -1) {
        n.inputs = {x, y};
        return b_.in(b_.size(), [&] { return b_.append(n, n.weight.size, n.bias.size, n.kind == op::batch_norm ? n.in.c : 0); });
    }

    // The usual ones in a word.
    int conv(int x, int channels, attributes a) { return put(window_node(op::conv, shape_of(x), channels, a), x); }
    int conv_transpose(int x, int channels, attributes a) { return put(window_node(op::conv_transpose, shape_of(x), channels, a), x); }
    int pool(int x, op kind, attributes a) { return put(window_node(kind, shape_of(x), shape_of(x).c, a), x); }
    int plain(int x, op kind, attributes a = {}) { return put(plain_node(kind, shape_of(x), a), x); }
    int batch_norm(int x) { return plain(x, op::batch_norm, {.value = 1e-5}); }
    int relu(int x) { return plain(x, op::relu); }
    int concat(int x, int y) { return put(concat_node(shape_of(x), shape_of(y).c), x, y); }
    int add(int x, int y) { return put(plain_node(op::add, shape_of(x)), x, y); }

    graph finish() {
        close();
        return b_.value();
    }

private:
    void close() {
        graph& g = b_.value();
        if (!g.heads.empty()) {
            head_info& h = g.heads.back();
            h.last = b_.size();
            h.logits = h.output = b_.size() - 1;
        } else if (!g.stages.empty()) {
            g.stages.back().last = b_.size();
            g.stages.back().output = b_.size() - 1;
        }
    }

    graph_builder b_;
};

} // namespace umsrep::test
