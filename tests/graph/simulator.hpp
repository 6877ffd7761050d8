// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/graph/plan.hpp>

/// Executes a plan without numbers: every place in the arena remembers which value or gradient was last written there, and every read
/// is checked to find what it needs. Knows nothing of how the planner decides; what the operations read and what they may overwrite is
/// written down here a second time, from their formulas.
namespace umsrep::test {

class simulator {
public:
    simulator(const graph& g, const mode& m, const execution_plan& p) : g_{g}, m_{m}, p_{p}, contents_(p.buffers.size()) {}

    /// Empty where the plan computes what it should; otherwise what went wrong first.
    std::string run() {
        find_what_is_needed();
        if (p_.nodes[0].value < 0) return "the image has no place";
        write(p_.nodes[0].value, value_of(0));
        forward_runs_.assign(g_.nodes.size(), 0);
        backward_runs_.assign(g_.nodes.size(), 0);
        for (const step& s : p_.steps) {
            if (s.what == phase::head) run_head(s);
            else if (s.what == phase::forward)
                for (int i = s.first; i <= s.last; ++i) forward(i);
            else
                for (int i = s.last; i >= s.first; --i)
                    if (p_.nodes[at(i)].gradient >= 0) backward(i);
        }
        for (int i = 1; i < g_.size(); ++i) {
            expect(forward_runs_[at(i)] == (needed_[at(i)] ? 1 : 0), i, "computed as often as needed");
            expect(backward_runs_[at(i)] == (differentiated_[at(i)] ? 1 : 0), i, "differentiated as often as needed");
            expect(p_.nodes[at(i)].trains == trains(i), i, "trained where its part trains");
        }
        expect(heads_run_ == heads_expected_, 0, "every head once");
        return failure_;
    }

private:
    struct content {
        enum { nothing, value, gradient } what = nothing;
        int node = -1;
        std::set<std::pair<int, int>> parts{}; ///< of a gradient: the readers (node, input) that have added theirs; a head is (-1 - h, 0)
        bool operator==(const content&) const = default;
    };

    static std::size_t at(int i) { return static_cast<std::size_t>(i); }
    static content value_of(int i) { return {content::value, i, {}}; }

    void expect(bool holds, int node, const std::string& what) {
        if (!holds && failure_.empty()) failure_ = "node " + std::to_string(node) + " (" + g_.path(g_[node]) + "): expected " + what;
    }

    // ---- what should happen, from the network and the mode alone

    bool in_encoder(int i) const { return g_[i].owner < g_.stage_count(); }
    bool trains(int i) const {
        return m_.training && needed_[at(i)] && (g_[i].weight || g_[i].bias) && (!in_encoder(i) || g_[i].owner >= m_.first_trained_stage);
    }
    void find_what_is_needed() {
        needed_.assign(g_.nodes.size(), false);
        differentiated_.assign(g_.nodes.size(), false);
        for (int h = 0; h < g_.head_count(); ++h)
            if (m_.has_head(h)) {
                heads_expected_.push_back(h);
                need(result_of(g_.heads[at(h)], m_));
            }
        for (int i = 0; i < g_.size(); ++i) {
            if (!needed_[at(i)]) continue;
            differentiated_[at(i)] = trains(i);
            for (const int x : g_[i].inputs)
                if (x >= 0 && differentiated_[at(x)]) differentiated_[at(i)] = true;
        }
        wanted_.resize(g_.nodes.size());
        for (int i = 0; i < g_.size(); ++i)
            for (int k = 0; k < 2; ++k)
                if (const int x = g_[i].inputs[at(k)]; needed_[at(i)] && x >= 0 && differentiated_[at(x)]) wanted_[at(x)].insert({i, k});
        for (const int h : heads_expected_)
            if (const int logits = g_.heads[at(h)].logits; m_.training && differentiated_[at(logits)]) wanted_[at(logits)].insert({-1 - h, 0});
    }
    void need(int i) {
        if (i < 0 || needed_[at(i)]) return;
        needed_[at(i)] = true;
        for (const int x : g_[i].inputs) need(x);
    }

    // ---- the formulas: what they read, and what may stand in one place

    bool by_batch(int i) const { return p_.nodes[at(i)].batch_statistics; }
    /// d loss / d input and d loss / d weights need the input's value.
    bool gradient_needs_input(int i) const {
        switch (g_[i].kind) {
        case op::conv:                                        // dw = x * dy
        case op::conv_transpose:
        case op::linear: return trains(i);
        case op::batch_norm: return trains(i) || by_batch(i); // dw = sum dy xhat; dx has the mean of dy xhat where statistics move
        case op::group_norm:
        case op::gelu:                                        // their derivatives are functions of x
        case op::silu:
        case op::max_pool: return true;                       // which pixel won
        default: return false;
        }
    }
    /// Their derivatives are functions of the output: y > 0; y (1 - y); y (dy - sum y dy).
    bool gradient_needs_output(int i) const {
        const op k = g_[i].kind;
        return k == op::relu || k == op::leaky_relu || k == op::sigmoid || k == op::softmax;
    }
    /// Each output element needs, of input 0, the element at its own place only.
    bool pointwise(int i) const {
        const op k = g_[i].kind;
        return k == op::relu || k == op::leaky_relu || k == op::gelu || k == op::silu || k == op::sigmoid || k == op::dropout ||
               k == op::add || (k == op::batch_norm && !by_batch(i));
    }

    // ---- the arena

    bool overlap(int a, int b) const {
        const buffer &x = p_.buffers[at(a)], &y = p_.buffers[at(b)];
        return x.offset < y.offset + y.size && y.offset < x.offset + x.size;
    }
    void write(int b, const content& what) {
        for (int other = 0; other < static_cast<int>(contents_.size()); ++other)
            if (other != b && overlap(b, other)) contents_[at(other)] = {};
        contents_[at(b)] = what;
        const buffer& place = p_.buffers[at(b)];
        expect(place.offset >= 0 && place.offset + place.size <= p_.arena, what.node, "a place inside the arena");
        expect(place.size >= g_[what.node].out.size(), what.node, "a place large enough");
    }
    void read_value(int i, const char* why) {
        const int b = p_.nodes[at(i)].value;
        expect(b >= 0 && contents_[at(b)] == value_of(i), i, std::string("its value intact ") + why);
    }

    // ---- the steps

    void forward(int i) {
        ++forward_runs_[at(i)];
        const int out = p_.nodes[at(i)].value;
        if (out < 0) return expect(false, i, "a place for the value");
        for (int k = 0; k < 2; ++k) {
            const int x = g_[i].inputs[at(k)];
            if (x < 0) continue;
            read_value(x, "for the next layer");
            const int in = p_.nodes[at(x)].value;
            const bool in_place = in == out && k == 0 && pointwise(i);
            expect(in_place || in < 0 || !overlap(in, out), i, "input and output in places of their own");
        }
        write(out, value_of(i));
    }

    void run_head(const step& s) {
        heads_run_.push_back(s.head);
        const int result = result_of(g_.heads[at(s.head)], m_);
        expect(s.first == result, result, "the head's result at its step");
        read_value(result, "at the head");
        const int gradient = p_.nodes[at(result)].gradient;
        expect((gradient >= 0) == differentiated_[at(result)], result, "a gradient where it is needed");
        if (gradient < 0) return;
        expect(!overlap(gradient, p_.nodes[at(result)].value), result, "logits and their gradient in places of their own");
        write(gradient, {content::gradient, result, {{-1 - s.head, 0}}});
    }

    void backward(int i) {
        ++backward_runs_[at(i)];
        const node_plan& n = p_.nodes[at(i)];
        expect(contents_[at(n.gradient)] == content{content::gradient, i, wanted_[at(i)]}, i, "its gradient complete and intact");
        if (gradient_needs_output(i)) read_value(i, "for its own gradient");
        if (gradient_needs_input(i)) read_value(g_[i].inputs[0], "for the gradient of its reader");
        for (int k = 0; k < 2; ++k) {
            const int x = g_[i].inputs[at(k)];
            const bool wanted = x >= 0 && differentiated_[at(x)];
            expect(n.differentiate[at(k)] == wanted, i, "the gradient of its inputs where they need one");
            if (!wanted) continue;
            const int to = p_.nodes[at(x)].gradient;
            if (to < 0) return expect(false, x, "a place for the gradient");
            const bool in_place = to == n.gradient;
            const bool may = k == 0 && (pointwise(i) || g_[i].kind == op::batch_norm) && !n.accumulate[at(k)];
            expect(in_place ? may : !overlap(to, n.gradient), i, "the gradients of input and output in places of their own");
            if (gradient_needs_output(i)) expect(!overlap(to, n.value), i, "a gradient that does not overwrite the output");
            if (gradient_needs_input(i))
                expect(!overlap(to, p_.nodes[at(g_[i].inputs[0])].value), i, "a gradient that does not overwrite the input");

            content sum{content::gradient, x, {}};
            if (n.accumulate[at(k)]) {
                const content& held = contents_[at(to)];
                expect(held.what == content::gradient && held.node == x, x, "a gradient to add to");
                sum.parts = held.parts;
            }
            sum.parts.insert({i, k});
            if (in_place && wanted_second(i)) { // the second input's gradient still reads this one
                pending_ = sum;
                pending_place_ = to;
            } else {
                write(to, sum);
            }
        }
        if (pending_place_ >= 0) write(std::exchange(pending_place_, -1), pending_);
    }
    bool wanted_second(int i) const { return g_[i].inputs[1] >= 0 && differentiated_[at(g_[i].inputs[1])]; }

    const graph& g_;
    const mode& m_;
    const execution_plan& p_;
    std::vector<content> contents_;
    std::vector<bool> needed_, differentiated_;
    std::vector<std::set<std::pair<int, int>>> wanted_;
    std::vector<int> forward_runs_, backward_runs_, heads_run_, heads_expected_;
    content pending_{};
    int pending_place_ = -1;
    std::string failure_;
};

/// Two buffers that are alive at one moment and share memory; empty where there are none.
inline std::string overlapping(const execution_plan& p) {
    for (std::size_t a = 0; a < p.buffers.size(); ++a)
        for (std::size_t b = 0; b < a; ++b) {
            const buffer &x = p.buffers[a], &y = p.buffers[b];
            const bool together = x.born <= y.dies && y.born <= x.dies;
            if (together && x.offset < y.offset + y.size && y.offset < x.offset + x.size)
                return "buffers " + std::to_string(b) + " and " + std::to_string(a);
        }
    return {};
}

} // namespace umsrep::test
