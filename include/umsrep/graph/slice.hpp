// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <vector>

#include <umsrep/graph/prune.hpp>
#include <umsrep/graph/storage.hpp>

/// Concatenations without a copy: a part lies in the whole from the start, a slice of its channels, and its gradient in the whole's.
namespace umsrep {

/// Which channels of its buffer are a value's, or a gradient's.
struct slice {
    int first = 0, channels = 0; ///< from which one on, of how many; of 0: the buffer is nobody else's
    constexpr explicit operator bool() const { return channels > 0; }
    friend constexpr bool operator==(const slice&, const slice&) = default;
};

namespace detail {

constexpr bool reads(const graph& g, int reader, int x) { return g[reader].inputs[0] == x || g[reader].inputs[1] == x; }

/// A concatenation copies what it has to, so it takes slices of all kinds.
constexpr bool reads_slices(const node& n, const storage_policy& storage) { return n.kind == op::concat || storage.reads_slices(n); }
constexpr bool writes_slices(const node& n, const storage_policy& storage) { return n.kind == op::concat || storage.writes_slices(n); }

/// Of the whole, the first channel of input k of a concatenation.
constexpr int first_channel(const graph& g, int concat, std::size_t k) { return k == 0 ? 0 : g[g[concat].inputs[0]].out.c; }

/// Whether input k of a concatenation may be a slice of it: as far as the layout goes, and all who read it.
constexpr bool may_be_slice(const graph& g, int concat, std::size_t k, const std::vector<node_use>& use, const storage_policy& storage) {
    if (storage.slice_block == 0 || first_channel(g, concat, 1) % storage.slice_block != 0) return false;
    const int x = g[concat].inputs[k];
    if (x == 0) return false; // which comes from outside
    for (int i = x + 1; i < g.size(); ++i)
        if (use[static_cast<std::size_t>(i)].forward && reads(g, i, x) && !reads_slices(g[i], storage)) return false;
    return true;
}

/// Moves all that lies in the buffer of x into a concatenation of which x is input k. False where somebody there cannot write slices, or x
/// is part of another one.
constexpr bool move_into_whole(const graph& g, int concat, std::size_t k, const std::vector<node_use>& use, const storage_policy& storage,
                               std::vector<int>& hosts, std::vector<slice>& slices) {
    const auto at = [](int i) { return static_cast<std::size_t>(i); };
    const int x = g[concat].inputs[k], host = hosts[at(x)];
    if (host < 0 || slices[at(x)]) return false;
    for (int i = 0; i < concat; ++i)
        if (hosts[at(i)] == host && (use[at(i)].given || !writes_slices(g[i], storage))) return false;
    for (int i = 0; i < concat; ++i)
        if (hosts[at(i)] == host) {
            hosts[at(i)] = concat;
            slices[at(i)] = {slices[at(i)].first + first_channel(g, concat, k), g[concat].out.c};
        }
    return true;
}

/// Whether, of all that give a share of the gradient of x, a reader is the first: heads one after another, then the encoder, each backwards.
constexpr bool differentiates_first(const graph& g, int reader, int x, const std::vector<node_use>& use) {
    const auto turn = [&](int i) { return g[i].owner < g.stage_count() ? g.head_count() : g[i].owner - g.stage_count(); };
    for (int i = x + 1; i < g.size(); ++i)
        if (i != reader && use[static_cast<std::size_t>(i)].backward && reads(g, i, x) &&
            (turn(i) < turn(reader) || (turn(i) == turn(reader) && i > reader)))
            return false;
    return true;
}

} // namespace detail
} // namespace umsrep
