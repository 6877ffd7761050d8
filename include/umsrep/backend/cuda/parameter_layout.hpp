// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <umsrep/backend/cuda/convolution.hpp>
#include <umsrep/graph/graph.hpp>

namespace umsrep::cuda {

/// A tensor of a model's parameters or running statistics: where it is on the host, in PyTorch's order, and where on the device.
struct stored_tensor {
    enum class kind : std::uint8_t {
        matrix,    ///< weights of a convolution or a dense layer; on the device the inputs are innermost
        vector,    ///< a number for each channel; on the device with room for the stored channels, which is zero
        statistic, ///< the same of a norm's running mean or variance
    };
    kind what = kind::vector;
    int node = 0, owner = 0;               ///< owner: as node::owner
    slot host{};                           ///< in the host's array of parameters, or of statistics
    std::ptrdiff_t place = 0;              ///< of its first element among all matrices, vectors or statistics
    int outputs = 1, taps = 1, inputs = 1; ///< on the host (outputs, inputs, taps), on the device (outputs, taps, inputs)

    std::ptrdiff_t size() const { return host.size; }

    /// Calls f(element on the host, element on the device), both counted from the tensor's first, for each.
    template <class F>
    void for_each_element(F f) const {
        std::ptrdiff_t device = 0;
        for (std::ptrdiff_t o = 0; o < outputs; ++o)
            for (std::ptrdiff_t t = 0; t < taps; ++t)
                for (std::ptrdiff_t i = 0; i < inputs; ++i) f((o * inputs + i) * taps + t, device++);
    }
};

/// Where every parameter and running statistic of a network lies on the device: matrices, vectors and statistics in one row each, in the
/// order of the nodes, each tensor on a boundary of 16 elements.
class parameter_layout {
public:
    explicit parameter_layout(const graph& g) : of_node_(g.nodes.size()) {
        std::ptrdiff_t ends[3] = {0, 0, 0};
        for (int i = 0; i < g.size(); ++i) {
            const node& n = g[i];
            const bool map = n.kind == op::conv || n.kind == op::conv_transpose || n.kind == op::linear;
            const auto add = [&](slot s, stored_tensor::kind what, int& number) {
                if (!s) return;
                stored_tensor t;
                t.what = what;
                t.node = i;
                t.owner = n.owner;
                t.host = s;
                t.place = ends[static_cast<std::size_t>(what)];
                std::ptrdiff_t room = s.size;
                if (what == stored_tensor::kind::matrix) {
                    const linear_map m = map_of(n);
                    t.outputs = m.result.c;
                    t.inputs = m.image.c / m.groups;
                    t.taps = m.kernel.h * m.kernel.w;
                } else {
                    t.inputs = static_cast<int>(s.size);
                    room = stored_channels(t.inputs);
                    widest_ = std::max(widest_, room);
                }
                ends[static_cast<std::size_t>(what)] += round_up(room);
                number = static_cast<int>(tensors_.size());
                tensors_.push_back(t);
            };
            places& p = of_node_[static_cast<std::size_t>(i)];
            add(n.weight, map ? stored_tensor::kind::matrix : stored_tensor::kind::vector, p.weight);
            add(n.bias, stored_tensor::kind::vector, p.bias);
            add(n.running_mean, stored_tensor::kind::statistic, p.running_mean);
            add(n.running_var, stored_tensor::kind::statistic, p.running_var);
            widest_ = std::max<std::ptrdiff_t>(widest_, stored_channels(n.out.c));
        }
        matrices_ = ends[0];
        vectors_ = ends[1];
        statistics_ = ends[2];
    }

    const std::vector<stored_tensor>& tensors() const { return tensors_; }
    /// Elements of all matrices, vectors, statistics, with the room between them.
    std::ptrdiff_t matrices() const { return matrices_; }
    std::ptrdiff_t vectors() const { return vectors_; }
    std::ptrdiff_t statistics() const { return statistics_; }
    /// Elements that a number for each channel takes at most, on a boundary of 16.
    std::ptrdiff_t widest() const { return round_up(widest_); }

    /// Of a node; null where it has none.
    const stored_tensor* weight(int node) const { return find(at(node).weight); }
    const stored_tensor* bias(int node) const { return find(at(node).bias); }
    const stored_tensor* running_mean(int node) const { return find(at(node).running_mean); }
    const stored_tensor* running_var(int node) const { return find(at(node).running_var); }

    static constexpr std::ptrdiff_t round_up(std::ptrdiff_t elements) { return (elements + 15) / 16 * 16; }

private:
    struct places {
        int weight = -1, bias = -1, running_mean = -1, running_var = -1;
    };
    const places& at(int node) const { return of_node_[static_cast<std::size_t>(node)]; }
    const stored_tensor* find(int number) const { return number < 0 ? nullptr : &tensors_[static_cast<std::size_t>(number)]; }

    std::vector<stored_tensor> tensors_;
    std::vector<places> of_node_;
    std::ptrdiff_t matrices_ = 0, vectors_ = 0, statistics_ = 0, widest_ = 0;
};

} // namespace umsrep::cuda
