// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/convolution.hpp>
#include <umsrep/backend/cuda/normalization.hpp>
#include <umsrep/backend/cuda/pooling.hpp>
#include <umsrep/graph/plan.hpp>

/// From a plan's steps to what the device is given to do: graphs for cuDNN, and kernels of our own where cuDNN has none.
namespace umsrep::cuda {

/// A graph for cuDNN, or the name of a kernel of our own.
struct work {
    int node = 0;               ///< the first that it computes, or differentiates
    phase what = phase::forward;
    operation_graph graph;      ///< of no operations: ours
    std::string_view kernel{};  ///< "softmax", "dropout backward"

    bool ours() const { return graph.operations.empty(); }
};

namespace detail {

class work_list {
public:
    work_list(const graph& g, const execution_plan& plan, int batch, precision p) : g_{g}, plan_{plan}, batch_{batch}, p_{p} {
        for (const step& s : plan.steps) {
            if (s.what == phase::head) continue;
            if (s.what == phase::backward) backward(s);
            else forward(s);
        }
    }

    std::vector<work> take() { return std::move(items_); }

private:
    const node_plan& plan_of(int i) const { return plan_.nodes[static_cast<std::size_t>(i)]; }
    void emit(int i, phase what, operation_graph graph) { items_.push_back({i, what, std::move(graph), {}}); }
    void ours(int i, phase what, std::string_view kernel) { items_.push_back({i, what, {}, kernel}); }

    /// A sum and a ReLU that stand at node `i` of a step, as an epilogue of what comes before them; moves `i` behind them.
    epilogue take_epilogue(const step& s, int& i) const {
        epilogue e;
        if (i <= s.last && g_[i].kind == op::add) e.skip = true, ++i;
        if (i <= s.last && g_[i].kind == op::relu) e.relu = true, ++i;
        return e;
    }
    /// A norm by constant statistics that nobody differentiates is in the weights and the bias of the convolution before it.
    bool folds(int i) const { return g_[i].kind == op::batch_norm && !plan_of(i).batch_statistics && plan_of(i).gradient < 0; }

    void forward(const step& s) {
        for (int i = s.first; i <= s.last;) {
            const int first = i;
            const node& n = g_[i++];
            switch (n.kind) {
            case op::input: break;
            case op::conv:
            case op::conv_transpose:
            case op::linear: {
                const bool folded = i <= s.last && folds(i);
                if (folded) ++i;
                epilogue e = take_epilogue(s, i);
                e.bias = n.a.bias || folded;
                const bool together = forward_has_epilogue(n, p_);
                emit(first, s.what, forward_convolution(n, batch_, p_, together ? e : epilogue{}));
                if (!together && e) elementwise(first, s.what, n.out, e);
                break;
            }
            case op::batch_norm: {
                const bool constant = !plan_of(first).batch_statistics;
                if (!constant && !has_batch_norm(n.out)) {
                    ours(first, s.what, "batch_norm");
                    break;
                }
                const epilogue e = take_epilogue(s, i);
                if (constant && !has_elementwise(n.out)) ours(first, s.what, "scale");
                else emit(first, s.what, constant ? forward_scale_shift(batch_, n.out, p_, e) : forward_batch_norm(batch_, n.out, p_, e));
                break;
            }
            case op::add:
            case op::relu: {
                i = first;
                elementwise(first, s.what, n.out, take_epilogue(s, i));
                break;
            }
            case op::sigmoid:
                if (has_elementwise(n.out)) emit(first, s.what, forward_sigmoid(batch_, n.out, p_));
                else ours(first, s.what, "sigmoid");
                break;
            case op::max_pool:
            case op::avg_pool:
            case op::global_avg_pool:
                if (has_pool(n)) emit(first, s.what, forward_pool(n, batch_, p_, n.kind == op::max_pool && plan_of(first).gradient >= 0));
                else ours(first, s.what, umsrep::name(n.kind));
                break;
            default: ours(first, s.what, umsrep::name(n.kind));
            }
        }
    }

    void elementwise(int i, phase what, shape s, const epilogue& e) {
        if (has_elementwise(s)) emit(i, what, forward_elementwise(batch_, s, p_, e));
        else ours(i, what, "elementwise");
    }

    void backward(const step& s) {
        for (int i = s.last; i >= s.first; --i) {
            const node& n = g_[i];
            const node_plan& u = plan_of(i);
            if (u.gradient < 0) continue;
            const bool to_input = u.differentiate[0];
            switch (n.kind) {
            case op::conv:
            case op::conv_transpose:
            case op::linear: {
                if (u.trains) emit(i, s.what, backward_convolution_weight(n, batch_, p_));
                if (u.trains && n.a.bias) emit(i, s.what, backward_bias(batch_, n.out, p_));
                const bool together = u.accumulate[0] && backward_has_epilogue(n, p_);
                if (to_input) emit(i, s.what, backward_convolution_input(n, batch_, p_, together, false));
                if (to_input && !together) accumulate(i, 0);
                break;
            }
            case op::relu:
                if (i > s.first && g_[i - 1].kind == op::batch_norm && plan_of(i - 1).batch_statistics && has_batch_norm(n.out)) {
                    --i;
                    emit(i, s.what, backward_batch_norm(batch_, n.out, p_, true));
                    accumulate(i, 0);
                } else if (to_input) {
                    if (has_elementwise(n.out)) emit(i, s.what, backward_relu(batch_, n.out, p_));
                    else ours(i, s.what, "relu backward");
                    accumulate(i, 0);
                }
                break;
            case op::batch_norm: backward_norm(i, s.what); break;
            case op::add: // its gradient is that of both its inputs
                for (std::size_t k = 0; k < 2; ++k) {
                    if (!u.differentiate[k]) continue;
                    const int input = n.inputs[k];
                    if (u.accumulate[k]) accumulate(i, k);
                    else if (plan_of(input).gradient != u.gradient) ours(i, s.what, "copy");
                }
                break;
            case op::sigmoid:
                if (!to_input) break;
                if (has_elementwise(n.out)) emit(i, s.what, backward_sigmoid(batch_, n.out, p_));
                else ours(i, s.what, "sigmoid backward");
                accumulate(i, 0);
                break;
            case op::max_pool:
            case op::avg_pool:
            case op::global_avg_pool:
                if (!to_input) break;
                if (!has_pool(n)) {
                    ours(i, s.what, umsrep::name(n.kind));
                    break;
                }
                emit(i, s.what, backward_pool(n, batch_, p_));
                accumulate(i, 0);
                break;
            default: items_.push_back({i, s.what, {}, umsrep::name(n.kind)}); // ours add to gradients by themselves
            }
        }
    }

    void backward_norm(int i, phase what) {
        const node& n = g_[i];
        const node_plan& u = plan_of(i);
        if (u.batch_statistics) {
            if (!has_batch_norm(n.out)) return ours(i, what, "batch_norm");
            emit(i, what, backward_batch_norm(batch_, n.out, p_, false));
            return accumulate(i, 0);
        }
        if (!has_elementwise(n.out)) return ours(i, what, "scale");
        if (u.trains) {
            emit(i, what, backward_scale_shift_weight(batch_, n.out, p_));
            emit(i, what, backward_bias(batch_, n.out, p_));
        }
        if (!u.differentiate[0]) return;
        emit(i, what, backward_scale_shift_input(batch_, n.out, p_));
        accumulate(i, 0);
    }

    /// Adds the gradient that node `i` gives to its input `k` to what others gave, where there is something.
    void accumulate(int i, std::size_t k) {
        if (!plan_of(i).accumulate[k]) return;
        const shape s = g_[g_[i].inputs[k]].out;
        if (has_elementwise(s)) emit(i, phase::backward, add_gradients(batch_, s, p_));
        else ours(i, phase::backward, "add gradients");
    }

    const graph& g_;
    const execution_plan& plan_;
    int batch_;
    precision p_;
    std::vector<work> items_;
};

} // namespace detail

/// What a plan gives the device to do, in order, for a batch of so many samples. A step's nodes share one buffer, so they may run as one
/// graph; which do is decided here and nowhere else.
inline std::vector<work> list_work(const graph& g, const execution_plan& plan, int batch, precision p) {
    return detail::work_list(g, plan, batch, p).take();
}

} // namespace umsrep::cuda
