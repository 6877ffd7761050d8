// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/convolution.hpp>
#include <umsrep/backend/cuda/normalization.hpp>
#include <umsrep/backend/cuda/pooling.hpp>
#include <umsrep/graph/plan.hpp>

/// From a plan's steps to what the device is given to do: graphs for cuDNN, and kernels of our own where cuDNN has none.
namespace umsrep::cuda {

/// Of what of a node an operand of a graph is.
enum class part_of_node : std::uint8_t {
    value,
    gradient,
    aside,   ///< what all but the last reader give to the gradient
    scratch, ///< what is added to a gradient afterwards, or what nobody wants
    weight,
    bias,
    grad_weight,
    grad_bias, ///< parameters
    folded_weight,
    folded_bias, ///< with the norm behind it in them
    mean,
    deviation,
    index, ///< kept for backward
    previous_mean,
    previous_variance, ///< running statistics as they were before this run
    running_mean,
    running_variance,
    epsilon,
    momentum, ///< by value
};

/// Where an operand of a graph lies.
struct operand {
    role what;
    part_of_node part;
    int node;
};

/// Kernels of our own.
enum class own_kernel : std::uint8_t {
    none,
    of_node,       ///< the node's operation, or its gradient
    add_up,        ///< y = relu(y + bias + skip) over a node's value
    bias_gradient, ///< where cuDNN has no graph
    pass_gradient, ///< the gradient of an addition's input is that of its output
    add_gradient,  ///< from scratch to the gradient of a node's input
};

/// A graph for cuDNN, or a kernel of our own.
struct work {
    int step = 0; ///< of the plan
    int node = 0; ///< that it computes, or differentiates
    phase what = phase::forward;
    operation_graph graph{}; ///< of no operations: ours
    std::vector<operand> operands{};
    own_kernel kernel = own_kernel::none;
    op kind = op::input;   ///< of the node
    epilogue behind{};     ///< what a kernel of our own does with its result
    int skip = -1;         ///< the node whose value `behind` adds
    bool folded = false;   ///< the bias is that of a folded norm
    std::size_t input = 0; ///< of the node, whose gradient it is; or the part that is copied

    bool ours() const { return graph.operations.empty(); }
    /// "conv + bias", "softmax".
    std::string_view name() const {
        switch (kernel) {
            case own_kernel::none:
                return graph.name;
            case own_kernel::of_node:
                return umsrep::name(kind);
            case own_kernel::add_up:
                return "add up";
            case own_kernel::bias_gradient:
                return "bias gradient";
            case own_kernel::pass_gradient:
                return "pass gradient";
            case own_kernel::add_gradient:
                return "add gradient";
        }
        return {};
    }
};

/// Whether a node's batch_norm is one graph of cuDNN's: by the batch's statistics, of whole groups of channels. What it writes, adds or is
/// given the gradient of may be a slice where a ReLU stands between.
constexpr bool normalises_by_graph(const graph& g, const execution_plan& plan, int i) {
    const node_plan& u = plan.nodes[static_cast<std::size_t>(i)];
    if (g[i].kind != op::batch_norm || !u.batch_statistics || !has_batch_norm(g[i].out)) return false;
    int last = i; // of its step: what stands behind that is no part of its graph
    for (const step& s : plan.steps)
        if (s.what == phase::forward && s.first <= i && i <= s.last) last = s.last;
    const auto follows = [&](int x, op kind) { return x <= last && g[x].kind == kind; };
    const bool sum = follows(i + 1, op::add), relu = follows(i + 1, op::relu), relu_of_sum = sum && follows(i + 2, op::relu);
    const bool slices = u.value_slice || (sum && plan.nodes[static_cast<std::size_t>(g[i + 1].inputs[1])].value_slice);
    return (!slices || relu || relu_of_sum) && (!u.gradient_slice || relu);
}

/// Whether a node's pool is a graph of cuDNN's, which takes no slices of wider images.
constexpr bool pools_by_graph(const graph& g, const execution_plan& plan, int i) {
    const auto whole = [&](int x) {
        const node_plan& u = plan.nodes[static_cast<std::size_t>(x)];
        return !u.value_slice && !u.gradient_slice;
    };
    return has_pool(g[i]) && whole(i) && whole(g[i].inputs[0]);
}

/// Whether input k of a concatenation is in it from the start; the same of their gradients.
constexpr bool is_part(const graph& g, const execution_plan& plan, int concat, std::size_t k) {
    const node_plan &u = plan.nodes[static_cast<std::size_t>(concat)], &x = plan.nodes[static_cast<std::size_t>(g[concat].inputs[k])];
    return x.value_slice && x.value == u.value && x.value_slice.first == u.value_slice.first + umsrep::detail::first_channel(g, concat, k);
}
constexpr bool is_part_of_gradient(const graph& g, const execution_plan& plan, int concat, std::size_t k) {
    const node_plan &u = plan.nodes[static_cast<std::size_t>(concat)], &x = plan.nodes[static_cast<std::size_t>(g[concat].inputs[k])];
    return x.gradient_slice && x.gradient == u.gradient &&
           x.gradient_slice.first == u.gradient_slice.first + umsrep::detail::first_channel(g, concat, k);
}

namespace detail {

class work_list {
public:
    work_list(const graph& g, const execution_plan& plan, int batch, precision p) : g_{g}, plan_{plan}, batch_{batch}, p_{p} {
        for (const step& s : plan.steps) {
            if (s.what == phase::backward) backward(s);
            else if (s.what != phase::head) forward(s);
            ++step_;
        }
    }

    std::vector<work> take() { return std::move(items_); }

private:
    using part = part_of_node;

    const node_plan& plan_of(int i) const { return plan_.nodes[static_cast<std::size_t>(i)]; }
    work& graph_of(int i, phase what, operation_graph g, std::vector<operand> operands) {
        work& w = items_.emplace_back();
        w.step = step_;
        w.node = i;
        w.what = what;
        for (const operand& o : operands)
            if (const slice s = slice_of(o)) make_slice(g, o.what, stored_channels(s.channels));
        w.graph = std::move(g);
        w.operands = std::move(operands);
        w.kind = g_[i].kind;
        return w;
    }
    slice slice_of(const operand& o) const {
        if (o.part == part::value) return plan_of(o.node).value_slice;
        return o.part == part::gradient ? plan_of(o.node).gradient_slice : slice{};
    }
    work& ours(int i, phase what, own_kernel kernel = own_kernel::of_node) {
        work& w = items_.emplace_back();
        w.step = step_;
        w.node = i;
        w.what = what;
        w.kernel = kernel;
        w.kind = g_[i].kind;
        return w;
    }

    /// A sum and a ReLU that stand at node `i` of a step, as what is done behind the work before them; moves `i` behind them.
    std::pair<epilogue, int> take_epilogue(const step& s, int& i) const {
        epilogue e;
        int skip = -1;
        if (i <= s.last && g_[i].kind == op::add) e.skip = true, skip = g_[i++].inputs[1];
        if (i <= s.last && g_[i].kind == op::relu) e.relu = true, ++i;
        return {e, skip};
    }
    /// A norm by constant statistics that nobody differentiates is in the weights and the bias of the convolution before it.
    bool folds(int i) const { return g_[i].kind == op::batch_norm && !plan_of(i).batch_statistics && plan_of(i).gradient < 0; }

    void forward(const step& s) {
        for (int i = s.first; i <= s.last;) {
            const int first = i;
            const node& n = g_[i++];
            switch (n.kind) {
                case op::input:
                    break;
                case op::conv:
                case op::conv_transpose:
                case op::linear: {
                    const bool folded = i <= s.last && folds(i);
                    if (folded) ++i;
                    auto [e, skip] = take_epilogue(s, i);
                    e.bias = n.a.bias || folded;
                    const auto sliced = [&](int x) { return x >= 0 && plan_of(x).value_slice; };
                    const bool together = has_epilogue(n, p_, sliced(first) || sliced(n.inputs[0]) || sliced(skip));
                    std::vector<operand> operands{{role::input, part::value, n.inputs[0]},
                                                  {role::output, part::value, first},
                                                  {role::weight, folded ? part::folded_weight : part::weight, first}};
                    if (together && e.bias) operands.push_back({role::bias, folded ? part::folded_bias : part::bias, first});
                    if (together && e.skip) operands.push_back({role::skip, part::value, skip});
                    graph_of(first, s.what, forward_convolution(n, batch_, p_, together ? e : epilogue{}), std::move(operands)).folded =
                        folded;
                    if (together || !e) break;
                    work& rest = ours(first, s.what, own_kernel::add_up);
                    rest.behind = e;
                    rest.skip = skip;
                    rest.folded = folded;
                    break;
                }
                case op::batch_norm: {
                    const auto [e, skip] = take_epilogue(s, i);
                    if (normalises_by_graph(g_, plan_, first)) {
                        std::vector<operand> operands = norm_operands(first);
                        operands.insert(operands.end(), {{role::output, part::value, first},
                                                         {role::epsilon, part::epsilon, first},
                                                         {role::momentum, part::momentum, first},
                                                         {role::running_mean, part::previous_mean, first},
                                                         {role::running_variance, part::previous_variance, first},
                                                         {role::next_running_mean, part::running_mean, first},
                                                         {role::next_running_variance, part::running_variance, first}});
                        if (e.skip) operands.push_back({role::skip, part::value, skip});
                        graph_of(first, s.what, forward_batch_norm(batch_, n.out, p_, e), std::move(operands));
                        break;
                    }
                    work& w = ours(first, s.what);
                    w.behind = e;
                    w.skip = skip;
                    break;
                }
                case op::add:
                case op::relu: {
                    i = first;
                    const auto [e, skip] = take_epilogue(s, i);
                    work& w = ours(first, s.what);
                    w.behind = e;
                    w.skip = skip;
                    break;
                }
                case op::max_pool:
                case op::avg_pool: {
                    if (!pools_by_graph(g_, plan_, first)) {
                        ours(first, s.what);
                        break;
                    }
                    const bool index = n.kind == op::max_pool && plan_of(first).gradient >= 0;
                    std::vector<operand> operands{{role::input, part::value, n.inputs[0]}, {role::output, part::value, first}};
                    if (index) operands.push_back({role::index, part::index, first});
                    graph_of(first, s.what, forward_pool(n, batch_, p_, index), std::move(operands));
                    break;
                }
                case op::concat:
                    for (std::size_t k = 0; k < 2; ++k)
                        if (!is_part(g_, plan_, first, k)) ours(first, s.what).input = k;
                    break;
                default:
                    ours(first, s.what);
            }
        }
    }

    /// What a norm's graphs read and keep, forward and backward.
    std::vector<operand> norm_operands(int i) const {
        return {{role::input, part::value, g_[i].inputs[0]},
                {role::weight, part::weight, i},
                {role::bias, part::bias, i},
                {role::mean, part::mean, i},
                {role::deviation, part::deviation, i}};
    }

    void backward(const step& s) {
        for (int i = s.last; i >= s.first; --i) {
            const node& n = g_[i];
            const node_plan& u = plan_of(i);
            if (u.gradient < 0) continue;
            switch (n.kind) {
                case op::conv:
                case op::conv_transpose:
                case op::linear:
                    if (u.trains) {
                        graph_of(i, s.what, backward_convolution_weight(n, batch_, p_),
                                 {{role::input, part::value, n.inputs[0]},
                                  {role::grad_output, part::gradient, i},
                                  {role::grad_weight, part::grad_weight, i}});
                        if (n.a.bias && u.gradient_slice) ours(i, s.what, own_kernel::bias_gradient);
                        else if (n.a.bias)
                            graph_of(i, s.what, backward_bias(batch_, n.out, p_),
                                     {{role::grad_output, part::gradient, i}, {role::grad_bias, part::grad_bias, i}});
                    }
                    if (!u.differentiate[0]) break;
                    if (u.sums) {
                        graph_of(i, s.what, backward_convolution_input(n, batch_, p_, true),
                                 {{role::grad_output, part::gradient, i},
                                  {role::weight, part::weight, i},
                                  {role::grad_skip, part::aside, n.inputs[0]},
                                  {role::grad_input, part::gradient, n.inputs[0]}});
                        break;
                    }
                    graph_of(i, s.what, backward_convolution_input(n, batch_, p_),
                             {{role::grad_output, part::gradient, i}, {role::weight, part::weight, i}, grad_input(i)});
                    accumulate(i);
                    break;
                case op::relu:
                    if (i > s.first && normalises_by_graph(g_, plan_, i - 1)) {
                        --i;
                        backward_norm(i, s.what, i + 1);
                    } else if (u.differentiate[0]) {
                        ours(i, s.what);
                    }
                    break;
                case op::batch_norm:
                    if (normalises_by_graph(g_, plan_, i)) backward_norm(i, s.what, i);
                    else ours(i, s.what);
                    break;
                case op::add:
                    for (std::size_t k = 0; k < 2; ++k) {
                        if (!u.differentiate[k]) continue;
                        const node_plan& x = plan_of(n.inputs[k]);
                        const bool is_there = x.aside >= 0 ? x.aside == u.gradient : x.gradient == u.gradient && x.gradient_slice == u.gradient_slice;
                        if (u.accumulate[k] || !is_there) ours(i, s.what, own_kernel::pass_gradient).input = k;
                    }
                    break;
                case op::max_pool:
                case op::avg_pool: {
                    if (!u.differentiate[0]) break;
                    if (!pools_by_graph(g_, plan_, i)) {
                        ours(i, s.what);
                        break;
                    }
                    std::vector<operand> operands{{role::grad_output, part::gradient, i}, grad_input(i)};
                    if (n.kind == op::max_pool) operands.push_back({role::index, part::index, i});
                    graph_of(i, s.what, backward_pool(n, batch_, p_), std::move(operands));
                    accumulate(i);
                    break;
                }
                case op::concat:
                    for (std::size_t k = 0; k < 2; ++k)
                        if (u.differentiate[k] && !is_part_of_gradient(g_, plan_, i, k)) ours(i, s.what).input = k;
                    break;
                default:
                    ours(i, s.what); // which adds to gradients by itself
            }
        }
    }

    /// `last`: the node whose gradient it reads: that of the norm, or of the ReLU behind it.
    void backward_norm(int i, phase what, int last) {
        std::vector<operand> operands = norm_operands(i);
        operands.insert(operands.end(), {{role::grad_output, part::gradient, last},
                                         {role::grad_weight, part::grad_weight, i},
                                         {role::grad_bias, part::grad_bias, i},
                                         grad_input(i)});
        if (last == i) std::erase_if(operands, [](const operand& o) { return o.what == role::bias; });
        graph_of(i, what, backward_batch_norm(batch_, g_[i].out, p_, last != i), std::move(operands));
        accumulate(i);
    }

    /// Where a graph writes the gradient of a node's first input: where it belongs, or to be added to what is there.
    operand grad_input(int i) const {
        const node_plan& u = plan_of(i);
        if (!u.differentiate[0] || u.accumulate[0]) return {role::grad_input, part::scratch, g_[i].inputs[0]};
        return {role::grad_input, plan_of(g_[i].inputs[0]).aside >= 0 ? part::aside : part::gradient, g_[i].inputs[0]};
    }
    void accumulate(int i) {
        if (plan_of(i).differentiate[0] && plan_of(i).accumulate[0]) ours(i, phase::backward, own_kernel::add_gradient);
    }

    const graph& g_;
    const execution_plan& plan_;
    int batch_;
    precision p_;
    int step_ = 0;
    std::vector<work> items_;
};

} // namespace detail

/// What a plan gives the device to do, in order, for a batch of so many samples. A step's nodes share one place, so they may run as one
/// graph; which do is decided here and nowhere else. No graph writes over what it reads: cuDNN does not say that it may. Kernels of our
/// own may, element by element, so all that a plan does in place is theirs, or part of a graph with other inputs.
inline std::vector<work> list_work(const graph& g, const execution_plan& plan, int batch, precision p) {
    return detail::work_list(g, plan, batch, p).take();
}

} // namespace umsrep::cuda
