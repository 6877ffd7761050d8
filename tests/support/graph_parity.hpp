// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <sstream>
#include <string>

#include <tests/support/graph_oracle.hpp>
#include <tests/support/graph_runner.hpp>
#include <umsrep/graph/op_name.hpp>

namespace umsrep::test {

/// Where `got` is further from `expected` than `tolerance` times the rms of what is expected; empty where it nowhere is. Gradients of
/// parameters are sums over the batch and the image, and are measured against what such a sum would be if its terms did not cancel, where
/// that is more (graph_oracle::gradient_scale). `noise`, when given, is the same run in plain float on the reference kernels: a graph may
/// be so ill-conditioned that rounding alone moves its results, and then `noise_factor` times that movement is allowed.
class parity {
public:
    parity(const graph& g, const graph_oracle<double>& oracle, double tolerance)
        : g_{g}, oracle_{oracle}, expected_{oracle.result()}, tolerance_{tolerance} {}
    parity& or_noise(graph_result noise, double factor) {
        noise_ = std::move(noise);
        noise_factor_ = factor;
        return *this;
    }

    std::string violation(const graph_result& got) {
        failure_.clear();
        for (std::size_t h = 0; h < expected_.heads.size(); ++h)
            compare("output of head " + std::string(g_.heads[h].name), got.heads[h], expected_.heads[h],
                    noise_.heads.empty() ? nullptr : &noise_.heads[h], 0, expected_.heads[h].size(), 0);
        for (int i = 0; i < g_.size(); ++i) {
            const node& n = g_[i];
            const std::string name = "node " + std::to_string(i) + " (" + std::string(umsrep::name(n.kind)) + ")";
            compare_slot(name + " running mean", n.running_mean, got.statistics, expected_.statistics, &noise_.statistics, 0);
            compare_slot(name + " running variance", n.running_var, got.statistics, expected_.statistics, &noise_.statistics, 0);
            if (!n.weight && !n.bias) continue;
            const std::array<double, 2> scale = oracle_.trains(i) ? oracle_.gradient_scale(i) : std::array<double, 2>{};
            compare_slot(name + " gradient of weight", n.weight, got.gradients, expected_.gradients, &noise_.gradients, scale[0]);
            compare_slot(name + " gradient of bias", n.bias, got.gradients, expected_.gradients, &noise_.gradients, scale[1]);
        }
        return failure_;
    }

    /// Largest error met so far, in rms of what was expected.
    double worst() const { return worst_; }

private:
    void compare_slot(const std::string& what, slot s, const std::vector<double>& got, const std::vector<double>& expected,
                      const std::vector<double>* noise, double floor) {
        if (s)
            compare(what, got, expected, noise->empty() ? nullptr : noise, static_cast<std::size_t>(s.offset),
                    static_cast<std::size_t>(s.size), floor);
    }
    void compare(const std::string& what, const std::vector<double>& got, const std::vector<double>& expected,
                 const std::vector<double>* noise, std::size_t first, std::size_t count, double floor) {
        if (got.size() != expected.size())
            return fail(what + ": " + std::to_string(expected.size()) + " values, got " + std::to_string(got.size()));
        double squares = 0, error = 0, moved = 0;
        std::size_t where = first;
        for (std::size_t i = first; i < first + count; ++i) {
            squares += expected[i] * expected[i];
            const double here = std::abs(got[i] - expected[i]);
            if (!(here <= error)) error = here, where = i; // a NaN counts as the largest
            if (!(error == error)) break;
            if (noise) moved = std::max(moved, std::abs((*noise)[i] - expected[i]));
        }
        const double scale = std::max({std::sqrt(squares / static_cast<double>(std::max<std::size_t>(count, 1))), floor, 1e-30});
        if (error == error) worst_ = std::max(worst_, error / scale);
        if (error <= std::max(tolerance_ * scale, noise_factor_ * moved)) return;
        std::ostringstream text;
        text << what << ": error " << error / scale << " of rms, expected " << expected[where] << " at " << where - first
             << " of " << count << ", got " << got[where];
        if (noise) text << " (" << error / std::max(moved, 1e-30) << " times the error of plain float)";
        fail(text.str());
    }
    void fail(const std::string& text) {
        if (failure_.empty()) failure_ = text;
        else if (failure_.size() < 1000) failure_ += "; " + text;
    }

    const graph& g_;
    const graph_oracle<double>& oracle_;
    graph_result expected_, noise_;
    double tolerance_, noise_factor_ = 0, worst_ = 0;
    std::string failure_;
};

/// Every number with its name, so that a failing test can be rebuilt from its message.
inline std::string text_of(const graph& g, int batch, int capacity = 0) {
    std::ostringstream text;
    const auto put = [&](shape s) { text << s.c << "x" << s.h << "x" << s.w; };
    text << "batch " << batch << " of " << std::max(capacity, batch) << "\n";
    for (int i = 0; i < g.size(); ++i) {
        const node& n = g[i];
        text << "  " << i << ": " << name(n.kind) << "(";
        for (const int x : n.inputs)
            if (x >= 0) text << (x == n.inputs[0] ? "" : ", ") << x;
        text << ") ";
        put(n.in);
        text << " -> ";
        put(n.out);
        const auto pair = [&](const char* what, extent e, extent usual) {
            if (!(e == usual)) text << " " << what << " " << e.h << "," << e.w;
        };
        pair("kernel", n.a.kernel, 1);
        pair("stride", n.a.stride, 1);
        pair("padding", n.a.padding, 0);
        pair("dilation", n.a.dilation, 1);
        pair("output_padding", n.a.output_padding, 0);
        if (n.a.groups != 1) text << " groups " << n.a.groups;
        if (n.bias) text << " bias";
        if (n.owner >= g.stage_count()) text << " [head " << n.owner - g.stage_count() << "]";
        else if (g.stage_count() > 1) text << " [stage " << n.owner << "]";
        text << "\n";
    }
    return text.str();
}

} // namespace umsrep::test
