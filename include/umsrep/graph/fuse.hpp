// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include <umsrep/graph/differentiate.hpp>
#include <umsrep/graph/slice.hpp>

namespace umsrep {

/// Which buffer a value lives in: values that may be written over each other share one. -1: none.
struct sharing {
    std::vector<int> value, gradient; ///< per node: the node whose buffer it uses
    std::vector<char> deferred;       ///< per node: its value is never written; who reads it computes it, see node_plan
    std::vector<slice> value_slice, gradient_slice; ///< per node: which channels of that buffer are its
};

namespace detail {

/// Who reads a value.
struct readership {
    int count = 0;
    bool by_head = false;         ///< as its result
    bool by_norm_or_concat = false;
};

constexpr std::vector<readership> readers_of(const graph& g, const mode& m, const std::vector<node_use>& use) {
    std::vector<readership> readers(g.nodes.size(), readership{});
    for (int i = 0; i < g.size(); ++i) {
        if (!use[static_cast<std::size_t>(i)].forward) continue;
        for (const int input : g[i].inputs) {
            if (input < 0 || use[static_cast<std::size_t>(i)].given) continue;
            readership& r = readers[static_cast<std::size_t>(input)];
            ++r.count;
            if (g[i].kind == op::batch_norm || g[i].kind == op::concat) r.by_norm_or_concat = true;
        }
    }
    for (int i = 0; i < g.size(); ++i)
        if (use[static_cast<std::size_t>(i)].wanted) {
            ++readers[static_cast<std::size_t>(i)].count;
            readers[static_cast<std::size_t>(i)].by_head = true; // or by whoever asks for it: whole, and in a buffer
        }
    for (int h = 0; h < g.head_count() && m.computes != portion::frozen_stages; ++h)
        if (m.has_head(h)) {
            readership& r = readers[static_cast<std::size_t>(result_of(g.heads[static_cast<std::size_t>(h)], m))];
            ++r.count;
            r.by_head = true;
        }
    return readers;
}

/// Whether a concat may be left to its readers: its inputs must lie in whole blocks of channels, each in one part, and every reader
/// must read and differentiate in parts. Of one value twice, two parts of a gradient would be one.
constexpr bool defers_concat(const graph& g, int i, const readership& readers, const sharing& s, const storage_policy& storage) {
    if (storage.concat_block == 0 || readers.by_head || readers.by_norm_or_concat) return false;
    const auto [a, b] = g[i].inputs;
    const auto in_one_part = [&](int x) { return s.value[static_cast<std::size_t>(x)] >= 0 && !storage.dense(g[x].out); };
    return a != b && g[a].out.c % storage.concat_block == 0 && in_one_part(a) && in_one_part(b);
}

} // namespace detail

/// Decides what runs in place: batch-norm, addition and activation over the convolution's output, and their gradients likewise, wherever
/// nobody needs the value that is written over. What cannot, but costs a reader nothing to compute, is deferred where the backend does so:
/// a batch-norm whose input is kept, the ReLU behind it, a concatenation. Nothing is ever written over a value that is read so. Where the
/// backend can, the parts of a concatenation that is stored lie in it from the start, and their gradients in its gradient, see slice.hpp.
constexpr sharing fuse(const graph& g, const mode& m, const std::vector<node_use>& use, const storage_policy& storage) {
    const auto at = [&](int i) -> const node_use& { return use[static_cast<std::size_t>(i)]; };
    const std::vector<detail::readership> readers = detail::readers_of(g, m, use);
    sharing s{std::vector<int>(g.nodes.size(), -1), std::vector<int>(g.nodes.size(), -1), std::vector<char>(g.nodes.size(), false),
              std::vector<slice>(g.nodes.size(), slice{}), std::vector<slice>(g.nodes.size(), slice{})};
    std::vector<char> whole(g.nodes.size(), false); // a concatenation whose parts lie in it: they may be read still
    for (int i = 0; i < g.size(); ++i) {
        if (!at(i).forward) continue;
        const std::size_t n = static_cast<std::size_t>(i);
        const op kind = g[i].kind;
        const int x = at(i).given ? -1 : g[i].inputs[0];
        if (kind == op::concat && !at(i).given && detail::defers_concat(g, i, readers[n], s, storage)) {
            s.deferred[n] = true;
            continue;
        }
        s.value[n] = i;
        if (at(i).backward) s.gradient[n] = i;
        if (x < 0) continue;
        if (kind == op::concat && !m.checkpoint) // what is computed twice would be so in two places
            for (const std::size_t k : {std::size_t{0}, std::size_t{1}})
                if (!readers[static_cast<std::size_t>(g[i].inputs[k])].by_head && detail::may_be_slice(g, i, k, use, storage) &&
                    detail::move_into_whole(g, i, k, use, storage, s.value, s.value_slice))
                    whole[n] = true;
        const std::size_t from = static_cast<std::size_t>(x);
        const bool input_kept = (at(i).backward && backward_reads_input(kind, at(i).trains, at(i).batch_statistics)) ||
                                (at(x).backward && backward_reads_output(g[x].kind));
        const bool in_place =
            runs_in_place(kind, at(i).batch_statistics) && x > 0 && readers[from].count == 1 && !input_kept && !s.deferred[from] && !whole[from];
        const bool behind_norm = s.deferred[from] && g[x].kind == op::batch_norm;
        const bool reads_through = kind == op::batch_norm ? !s.deferred[from] : kind == op::relu && behind_norm;
        s.deferred[n] = storage.defers_norms && !in_place && reads_through && !readers[n].by_head;
        if (in_place || s.deferred[n]) s.value[n] = s.value[from];
    }
    // Gradients flow the other way: the input's gradient takes the place of the output's.
    for (int i = g.size() - 1; i > 0; --i) {
        const std::size_t n = static_cast<std::size_t>(i);
        if (g[i].kind == op::concat && s.gradient[n] >= 0) {
            for (const std::size_t k : {std::size_t{0}, std::size_t{1}}) {
                const int part = g[i].inputs[k];
                const std::size_t p = static_cast<std::size_t>(part);
                if (s.gradient[p] < 0 || s.gradient_slice[p] || readers[p].by_head || !detail::writes_slices(g[part], storage) ||
                    !detail::may_be_slice(g, i, k, use, storage) || !detail::differentiates_first(g, i, part, use))
                    continue;
                s.gradient[p] = s.gradient[n];
                s.gradient_slice[p] = {s.gradient_slice[n].first + detail::first_channel(g, i, k),
                                       s.gradient_slice[n] ? s.gradient_slice[n].channels : g[i].out.c};
            }
            continue;
        }
        const int x = g[i].inputs[0];
        if (g[i].kind == op::batch_norm && at(i).batch_statistics && !storage.norm_gradients_in_place) continue;
        if (at(i).backward && x > 0 && s.gradient[static_cast<std::size_t>(x)] >= 0 && readers[static_cast<std::size_t>(x)].count == 1 &&
            differentiates_in_place(g[i].kind) && (!s.gradient_slice[n] || detail::writes_slices(g[x], storage))) {
            s.gradient[static_cast<std::size_t>(x)] = s.gradient[n];
            s.gradient_slice[static_cast<std::size_t>(x)] = s.gradient_slice[n];
        }
    }
    return s;
}

} // namespace umsrep
