// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include <tests/support/graph_data.hpp>
#include <umsrep/backend/reference/reference.hpp>
#include <umsrep/core/thread_pool.hpp>

namespace umsrep::test {

/// Runs a graph node by node on the reference kernels, every value and every gradient in an array of its own: no plan, no arena, nothing
/// fused or in place. What planner, executor and a backend together are measured against.
template <class T>
class graph_oracle {
public:
    graph_oracle(const graph& g, const mode& m, const graph_data& d)
        : g_{g}, m_{m}, d_{d}, use_{prune(g, m)}, parameters_(d.parameters.begin(), d.parameters.end()),
          statistics_(d.statistics.begin(), d.statistics.end()), gradients_(d.parameters.size(), static_cast<T>(graph_result::untouched)),
          values_(g.nodes.size()), value_gradients_(g.nodes.size()), states_(g.nodes.size()) {
        values_[0].assign(d.images.begin(), d.images.end());
        for (int i = 1; i < g.size(); ++i)
            if (use_[at(i)].forward) forward(i);
        if (!m.training) return;
        for (int i = 0; i < g.size(); ++i)
            if (use_[at(i)].backward) value_gradients_[at(i)].assign(values_[at(i)].size(), T{0});
        for (int h = 0; h < g.head_count(); ++h)
            if (const int logits = g.heads[at(h)].logits; m.has_head(h) && use_[at(logits)].backward)
                std::transform(d.head_gradients[at(h)].begin(), d.head_gradients[at(h)].end(), value_gradients_[at(logits)].begin(),
                               value_gradients_[at(logits)].begin(), [](float a, T b) { return static_cast<T>(a) + b; });
        for (int i = g.size() - 1; i > 0; --i)
            if (use_[at(i)].forward && use_[at(i)].backward) backward(i);
    }

    graph_result result() const {
        graph_result r;
        for (int h = 0; h < g_.head_count(); ++h) {
            r.heads.emplace_back();
            if (!m_.has_head(h)) continue;
            const std::vector<T>& v = values_[at(result_of(g_.heads[at(h)], m_))];
            r.heads.back().assign(v.begin(), v.end());
        }
        r.gradients.assign(gradients_.begin(), gradients_.end());
        r.statistics.assign(statistics_.begin(), statistics_.end());
        return r;
    }

    bool trains(int i) const { return use_[at(i)].trains; }

    /// The rms of a value's gradient; behind a norm, whose gradient is what is left of its reader's when mean and slope are taken out, the rms
    /// before they are.
    double value_gradient_scale(int i) const {
        double scale = rms(value_gradients_[at(i)]);
        for (int reader = i + 1; reader < g_.size(); ++reader) {
            const node& n = g_[reader];
            const bool takes_out = n.kind == op::group_norm || (n.kind == op::batch_norm && use_[at(reader)].batch_statistics);
            if (takes_out && n.inputs[0] == i && use_[at(reader)].backward)
                scale = std::max(scale, rms(value_gradients_[at(reader)]) * deviation(values_[at(reader)]) / deviation(values_[at(i)]));
        }
        return scale;
    }

    /// How large the sums that make up the gradients of a node's weight and bias would be if their terms had random signs. Where the terms
    /// cancel, as for a bias in front of a batch-norm, rounding is to be measured against this.
    std::array<double, 2> gradient_scale(int i) const {
        const node& n = g_[i];
        const double dy = value_gradient_scale(i), batch = d_.batch;
        const bool norm = n.kind == op::batch_norm || n.kind == op::group_norm;
        const double x = norm ? 1.0 : rms(values_[at(n.inputs[0])]);
        const double terms = batch * static_cast<double>(n.kind == op::conv_transpose ? n.in.plane() : n.out.plane());
        return {dy * x * std::sqrt(terms), dy * std::sqrt(batch * static_cast<double>(n.out.plane()))};
    }

    /// How near any rectifier's input came to zero, or any two pixels of a maximum's window to each other, relative to the rms of all its
    /// inputs. Where a backend's rounding exceeds it, gradients may rightly differ. (Equal pixels are equal everywhere, and the first wins.)
    double distance_from_kinks() const {
        double nearest = std::numeric_limits<double>::infinity();
        for (int i = 1; i < g_.size(); ++i) {
            const node& n = g_[i];
            if (!use_[at(i)].backward) continue;
            const std::vector<T>& x = values_[at(n.inputs[0])];
            if (n.kind == op::relu || n.kind == op::leaky_relu) nearest = std::min(nearest, smallest(x) / rms(x));
            if (n.kind == op::max_pool) nearest = std::min(nearest, closest_rivals(n, x) / rms(x));
        }
        return nearest;
    }

    /// How much a norm amplifies the rounding of what it takes: the rms of its input over the smallest deviation of what is normalised together,
    /// or a channel's mean over that, where statistics are constants.
    double amplification() const {
        double most = 0;
        for (int i = 1; i < g_.size(); ++i) {
            const node& n = g_[i];
            if ((n.kind != op::batch_norm && n.kind != op::group_norm) || !use_[at(i)].forward) continue;
            const std::vector<T>& x = values_[at(n.inputs[0])];
            const double size = rms(x);
            const auto amplify = [&](double variance, double largest) { most = std::max(most, largest / std::sqrt(variance + n.a.value)); };
            if (n.kind == op::group_norm) {
                const std::ptrdiff_t group = n.in.size() / n.a.groups;
                for (auto first = x.begin(); first != x.end(); first += group)
                    amplify(variance_of(std::vector<T>(first, first + group)), size);
                continue;
            }
            for (int c = 0; c < n.in.c; ++c) {
                const auto statistic = [&](slot s) { return static_cast<double>(d_.statistics[static_cast<std::size_t>(s.offset + c)]); };
                if (!use_[at(i)].batch_statistics) {
                    amplify(statistic(n.running_var), std::max(size, std::abs(statistic(n.running_mean))));
                    continue;
                }
                std::vector<T> channel;
                for (int sample = 0; sample < d_.batch; ++sample) {
                    const auto first = x.begin() + sample * n.in.size() + c * n.in.plane();
                    channel.insert(channel.end(), first, first + n.in.plane());
                }
                amplify(variance_of(channel), size);
            }
        }
        return most;
    }

    static double rms(const std::vector<T>& v) {
        double total = 0;
        for (const T x : v) total += static_cast<double>(x) * static_cast<double>(x);
        return v.empty() ? 0 : std::sqrt(total / static_cast<double>(v.size()));
    }

private:
    static std::size_t at(int i) { return static_cast<std::size_t>(i); }

    static double variance_of(const std::vector<T>& v) {
        double mean = 0;
        for (const T x : v) mean += static_cast<double>(x) / static_cast<double>(v.size());
        return std::max(rms(v) * rms(v) - mean * mean, 0.0);
    }
    static double deviation(const std::vector<T>& v) { return std::sqrt(std::max(variance_of(v), 1e-30)); }
    static double smallest(const std::vector<T>& v) {
        double least = std::numeric_limits<double>::infinity();
        for (const T x : v)
            if (x != T{0}) least = std::min(least, std::abs(static_cast<double>(x)));
        return least;
    }
    double closest_rivals(const node& n, const std::vector<T>& values) const {
        double nearest = std::numeric_limits<double>::infinity();
        const tensor_view<const T> x{values.data(), d_.batch, n.in};
        for (int i = 0; i < x.n; ++i)
            for (int c = 0; c < n.in.c; ++c)
                for (int oy = 0; oy < n.out.h; ++oy)
                    for (int ox = 0; ox < n.out.w; ++ox) {
                        T first = -std::numeric_limits<T>::infinity(), second = first;
                        for (int ky = 0; ky < n.a.kernel.h; ++ky)
                            for (int kx = 0; kx < n.a.kernel.w; ++kx) {
                                const int y = oy * n.a.stride.h - n.a.padding.h + ky, column = ox * n.a.stride.w - n.a.padding.w + kx;
                                if (y < 0 || y >= n.in.h || column < 0 || column >= n.in.w) continue;
                                const T v = x(i, c, y, column);
                                if (v > first) second = std::exchange(first, v);
                                else if (v < first) second = std::max(second, v);
                            }
                        nearest = std::min(nearest, static_cast<double>(first - second));
                    }
        return nearest;
    }

    operands<T> operands_of(int i) {
        const node& n = g_[i];
        operands<T> o;
        o.n = &n;
        o.pool = &pool_;
        workspace_.resize(std::max(workspace_.size(), static_cast<std::size_t>(reference<T>::workspace_size(n, d_.batch, 1, true))));
        o.workspace = workspace_.data();
        for (std::size_t k = 0; k < 2; ++k)
            if (const int x = n.inputs[k]; x >= 0) o.in[k] = {values_[at(x)].data(), d_.batch, g_[x].out};
        o.out = {values_[at(i)].data(), d_.batch, n.out};
        if (n.weight) o.weight = parameters_.data() + n.weight.offset;
        if (n.bias) o.bias = parameters_.data() + n.bias.offset;
        if (n.running_mean) {
            o.running_mean = statistics_.data() + n.running_mean.offset;
            o.running_var = statistics_.data() + n.running_var.offset;
        }
        o.batch_statistics = use_[at(i)].batch_statistics;
        states_[at(i)].resize(static_cast<std::size_t>(reference<T>::state_size(n, o.batch_statistics, m_.training)));
        o.state = states_[at(i)].data();
        o.training = m_.training && (n.owner >= g_.stage_count() || n.owner >= m_.first_trained_stage);
        return o;
    }
    /// The stream that the executor promises to a node's dropout.
    random_stream stream_of(int i) const {
        return random_stream(d_.dropout, "dropout", d_.step_number * static_cast<std::uint64_t>(g_.size()) + static_cast<std::uint64_t>(i));
    }
    void forward(int i) {
        values_[at(i)].resize(static_cast<std::size_t>(d_.batch * g_[i].out.size()));
        operands<T> o = operands_of(i);
        const random_stream stream = stream_of(i);
        o.random = &stream;
        reference<T>::forward(o);
    }
    void backward(int i) {
        const node& n = g_[i];
        operands<T> o = operands_of(i);
        const random_stream stream = stream_of(i);
        o.random = &stream;
        o.grad_out = {value_gradients_[at(i)].data(), d_.batch, n.out};
        for (std::size_t k = 0; k < 2; ++k)
            if (const int x = n.inputs[k]; x >= 0 && use_[at(x)].backward) {
                o.grad_in[k] = {value_gradients_[at(x)].data(), d_.batch, g_[x].out};
                o.accumulate[k] = true; // to the zeros, or to what later readers left
            }
        if (use_[at(i)].trains && n.weight) o.grad_weight = gradients_.data() + n.weight.offset;
        if (use_[at(i)].trains && n.bias) o.grad_bias = gradients_.data() + n.bias.offset;
        reference<T>::backward(o);
    }

    const graph& g_;
    mode m_;
    const graph_data& d_;
    std::vector<node_use> use_;
    thread_pool pool_{1};
    std::vector<T> parameters_, statistics_, gradients_, workspace_;
    std::vector<std::vector<T>> values_, value_gradients_, states_;
};

} // namespace umsrep::test
