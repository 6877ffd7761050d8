// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <Eigen/Core>

#include <umsrep/core/aligned_array.hpp>
#include <umsrep/core/pieces.hpp>
#include <umsrep/graph/graph.hpp>
#include <umsrep/optim/clip.hpp>
#include <umsrep/optim/layer_decay.hpp>
#include <umsrep/optim/optimizer.hpp>
#include <umsrep/optim/parameter_group.hpp>

namespace umsrep {

/// How deep every parameter tensor from a stage on stands, for layer-wise rates: stages by their number, all heads alike behind them.
inline std::vector<optim::parameter_depth> depths_of(const graph& g, int first_stage, bool decay_norms_and_biases) {
    std::vector<optim::parameter_depth> depths;
    for (const node& n : g.nodes)
        for (const slot s : {n.weight, n.bias}) {
            if (!s || n.owner < first_stage) continue;
            const bool matrix = n.kind != op::batch_norm && n.kind != op::group_norm && s.offset == n.weight.offset;
            depths.push_back({s.offset, s.offset + s.size, std::min(n.owner, g.stage_count()), matrix || decay_norms_and_biases});
        }
    return depths;
}

/// What an optimiser needs of a network: the gradients and moments of the parameters that train, in parts. A part is a stage or a head; its
/// parameters are updated together and count their own updates. Stages before the first that trains are parts without parameters.
template <class T, optim::optimizer Optimizer>
class trained_parts {
public:
    trained_parts(const graph& g, int first_stage, double layer_decay, bool decay_norms_and_biases) : first_{g.parameters} {
        parts_.resize(static_cast<std::size_t>(g.stage_count() + g.head_count()));
        for (const node& n : g.nodes)
            for (const slot s : {n.weight, n.bias}) {
                if (!s || n.owner < first_stage) continue;
                part& p = parts_[static_cast<std::size_t>(n.owner)];
                if (p.end == 0) p.begin = s.offset;
                p.end = s.offset + s.size;
                first_ = std::min(first_, s.offset);
            }
        // A depth of its own for the heads even when no stage trains, so that their rate is the full one.
        for (const optim::parameter_group& group : optim::layer_decay(depths_of(g, first_stage, decay_norms_and_biases), layer_decay))
            for (part& p : parts_) {
                const std::ptrdiff_t begin = std::max(group.begin, p.begin), end = std::min(group.end, p.end);
                if (begin < end) p.groups.push_back({begin - p.begin, end - p.begin, group.lr_scale, group.decay_scale});
            }
        gradients_ = aligned_array<T>(static_cast<std::size_t>(g.parameters - first_));
        for (auto& moment : moments_) moment = aligned_array<T>(gradients_.size());
        updates_.assign(parts_.size(), 0);
        clipped_.reserve(parts_.size());
    }

    std::size_t count() const { return parts_.size(); }

    /// Those that train are the parameters from this one on; element 0 of gradients and moments belongs to it.
    std::ptrdiff_t first_parameter() const { return first_; }
    std::span<T> gradients() { return gradients_.span(); }
    std::span<const T> gradients() const { return gradients_.span(); }
    std::span<T> gradient(const slot& s) { return at(gradients_, s.offset, s.offset + s.size); }

    /// The moments, and how often each part was updated: what a checkpoint needs.
    std::span<T> moments(std::size_t i) { return moments_[i].span(); }
    std::span<std::int64_t> updates() { return updates_; }

    std::int64_t gradient_bytes() const { return bytes(gradients_); }
    std::int64_t moment_bytes() const {
        std::int64_t sum = 0;
        for (const auto& moment : moments_) sum += bytes(moment);
        return sum;
    }

    /// Multiplies the gradients of the parts p with `moves(p)`.
    template <class Moves>
    void scale(double factor, Moves moves, thread_pool& pool) {
        for (std::size_t p = 0; p < parts_.size(); ++p) {
            if (!moves(p)) continue;
            const std::span<T> gradient = at(gradients_, parts_[p].begin, parts_[p].end);
            for_pieces(&pool, {static_cast<std::ptrdiff_t>(gradient.size()), 1 << 16}, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
                Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>{gradient.data() + begin, end - begin} *= static_cast<T>(factor);
            });
        }
    }

    /// The common norm of the gradients of the parts p with `moves(p)`, clipped to `limit`: `optim::clip_by_norm`.
    template <class Moves>
    double clip(double limit, Moves moves, thread_pool& pool) {
        clipped_.clear();
        for (std::size_t p = 0; p < parts_.size(); ++p)
            if (moves(p)) clipped_.push_back(at(gradients_, parts_[p].begin, parts_[p].end));
        return optim::clip_by_norm(std::span<const std::span<T>>(clipped_), limit, &pool);
    }

    /// One update of the parts p with `moves(p)` at `rate_factor` times the optimiser's learning rate. `parameters`: all of the network.
    template <class Moves>
    void update(const Optimizer& optimizer, std::span<T> parameters, double rate_factor, Moves moves, thread_pool& pool) {
        for (std::size_t k = 0; k < parts_.size(); ++k) {
            if (!moves(k)) continue;
            const part& p = parts_[k];
            std::array<std::span<T>, Optimizer::moments> state;
            for (std::size_t i = 0; i < state.size(); ++i) state[i] = at(moments_[i], p.begin, p.end);
            optim::update_groups(optimizer, std::span<const optim::parameter_group>(p.groups),
                                 parameters.subspan(static_cast<std::size_t>(p.begin), static_cast<std::size_t>(p.end - p.begin)),
                                 std::span<const T>(at(gradients_, p.begin, p.end)), state, ++updates_[k], rate_factor, &pool);
        }
    }

private:
    struct part {
        std::ptrdiff_t begin = 0, end = 0;          ///< parameters
        std::vector<optim::parameter_group> groups; ///< relative to `begin`
    };

    std::span<T> at(aligned_array<T>& a, std::ptrdiff_t begin, std::ptrdiff_t end) const {
        return a.span().subspan(static_cast<std::size_t>(begin - first_), static_cast<std::size_t>(end - begin));
    }
    static std::int64_t bytes(const aligned_array<T>& a) { return static_cast<std::int64_t>(a.size() * sizeof(T)); }

    std::vector<part> parts_;
    std::ptrdiff_t first_;
    aligned_array<T> gradients_;
    std::array<aligned_array<T>, Optimizer::moments> moments_;
    std::vector<std::int64_t> updates_;
    std::vector<std::span<T>> clipped_;
};

} // namespace umsrep
