// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <limits>
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
    simulator(const graph& g, const mode& m, const execution_plan& p, const storage_policy& s = dense_storage)
        : g_{g}, m_{m}, p_{p}, storage_{s}, contents_(p.buffers.size()) {}

    /// Empty where the plan computes what it should; otherwise what went wrong first.
    std::string run() {
        find_what_is_needed();
        if ((p_.nodes[0].value >= 0) != needed_[0]) return "the image has a place where it is read, and only there";
        if (needed_[0]) write(value_place(0, false), value_of(0));
        for (int i = 1; i < g_.size(); ++i) {
            expect(p_.nodes[at(i)].given == given(i), i, "given from outside where the frozen stages end");
            if (given(i)) write_value(i, value_place(i, false));
        }
        check_deferred();
        forward_runs_.assign(g_.nodes.size(), 0);
        backward_runs_.assign(g_.nodes.size(), 0);
        second_runs_.assign(g_.nodes.size(), 0);
        second_reads_.assign(g_.nodes.size(), 0);
        for (const step& s : p_.steps) {
            for (int i = s.first + 1; i <= s.last; ++i)
                expect(value_place(i, false) == value_place(i - 1, false) || (!m_.training && storage_.joins != nullptr && storage_.joins(g_[s.first], g_[i])),
                       i, "one place for a step's nodes");
            if (s.what == phase::head) run_head(s);
            else if (s.what != phase::backward)
                for (int i = s.first; i <= s.last; ++i) forward(i, s.what == phase::recompute);
            else
                for (int i = s.last; i >= s.first; --i)
                    if (p_.nodes[at(i)].gradient >= 0) backward(i);
        }
        for (int i = 1; i < g_.size(); ++i) {
            const int once = in_parts(i) ? 0 : 1; // such a concatenation is no work
            expect(forward_runs_[at(i)] == (needed_[at(i)] && !given(i) ? once : 0), i, "computed as often as needed");
            expect(backward_runs_[at(i)] == (differentiated_[at(i)] ? once : 0), i, "differentiated as often as needed");
            expect(second_runs_[at(i)] <= (m_.checkpoint ? 1 : 0), i, "computed twice only where that is asked for");
            expect(second_runs_[at(i)] == 0 || second_reads_[at(i)] > 0, i, "not computed twice in vain");
            expect(p_.nodes[at(i)].trains == trains(i), i, "trained where its part trains");
        }
        for (int i = 1; i < g_.size(); ++i) {
            expect(p_.nodes[at(i)].wanted == asked_for_[at(i)], i, "wanted where it is read from outside");
            if (asked_for_[at(i)]) read_value(i, "when all is computed");
            expect(!asked_for_[at(i)] || !deferred(i), i, "a value that is stored for whoever asks");
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

    static constexpr int whole_buffer = std::numeric_limits<int>::max();
    /// Channels `first` to `last` of a buffer.
    struct place {
        int buffer = -1, first = 0, last = 0;
        bool operator==(const place&) const = default;
    };

    static std::size_t at(int i) { return static_cast<std::size_t>(i); }
    static content value_of(int i) { return {content::value, i, {}}; }

    void expect(bool holds, int node, const std::string& what) const {
        if (!holds && failure_.empty()) failure_ = "node " + std::to_string(node) + " (" + g_.path(g_[node]) + "): expected " + what;
    }

    // ---- what should happen, from the network and the mode alone

    bool in_encoder(int i) const { return g_[i].owner < g_.stage_count(); }
    bool trains(int i) const {
        return m_.training && needed_[at(i)] && (g_[i].weight || g_[i].bias) && (!in_encoder(i) || g_[i].owner >= m_.first_trained_stage);
    }
    bool frozen(int i) const { return i > 0 && g_[i].owner < m_.first_trained_stage; }
    /// In the rest of a network whose frozen stages run elsewhere, `need` goes no further than what crosses.
    bool given(int i) const { return m_.computes == portion::rest && frozen(i) && needed_[at(i)]; }
    void need_frozen_stages_only() {
        for (int i = 1; i < g_.size(); ++i)
            for (const int x : g_[i].inputs)
                if (needed_[at(i)] && !frozen(i) && x >= 0 && frozen(x)) asked_for_[at(x)] = true;
        needed_.assign(g_.nodes.size(), false);
        heads_expected_.clear();
        for (int i = 1; i < g_.size(); ++i)
            if (asked_for_[at(i)]) need(i);
    }
    void find_what_is_needed() {
        needed_.assign(g_.nodes.size(), false);
        asked_for_.assign(g_.nodes.size(), false);
        differentiated_.assign(g_.nodes.size(), false);
        for (int h = 0; h < g_.head_count(); ++h)
            if (m_.has_head(h)) {
                heads_expected_.push_back(h);
                need(result_of(g_.heads[at(h)], m_));
            }
        if (m_.computes == portion::frozen_stages) need_frozen_stages_only();
        for (int i = 0; i < g_.size(); ++i) {
            if (!needed_[at(i)]) continue;
            differentiated_[at(i)] = trains(i);
            for (const int x : g_[i].inputs)
                if (x >= 0 && differentiated_[at(x)]) differentiated_[at(i)] = true;
        }
        wanted_.resize(g_.nodes.size());
        for (int i = 0; i < g_.size(); ++i)
            for (int k = 0; k < 2; ++k)
                if (const int x = g_[i].inputs[at(k)]; needed_[at(i)] && !in_parts(i) && x >= 0)
                    for (const int y : parts_of(x))
                        if (differentiated_[at(y)]) wanted_[at(y)].insert({i, k});
        for (const int h : heads_expected_)
            if (const int logits = g_.heads[at(h)].logits; m_.training && differentiated_[at(logits)]) wanted_[at(logits)].insert({-1 - h, 0});
    }
    void need(int i) {
        if (i < 0 || needed_[at(i)]) return;
        needed_[at(i)] = true;
        if (given(i)) return;
        for (const int x : g_[i].inputs) need(x);
    }

    // ---- values that are never written: a norm, a ReLU behind it, a concatenation

    bool deferred(int i) const { return p_.nodes[at(i)].deferred; }
    bool in_parts(int i) const { return deferred(i) && g_[i].kind == op::concat; }
    std::vector<int> parts_of(int i) const { return in_parts(i) ? std::vector<int>{g_[i].inputs[0], g_[i].inputs[1]} : std::vector<int>{i}; }
    place place_in(int buffer, const slice& s, int i) const {
        if (!s) return {buffer, 0, whole_buffer};
        expect(storage_.slice_block > 0 && s.first >= 0 && s.first + g_[i].out.c <= s.channels, i, "a slice that is within its whole");
        return {buffer, s.first, s.first + g_[i].out.c};
    }
    /// `again`: as backward finds it, which may be in a second place.
    place value_place(int i, bool again) const {
        const node_plan& n = p_.nodes[at(i)];
        return again && n.second >= 0 ? place{n.second, 0, whole_buffer} : place_in(n.value, n.value_slice, i);
    }
    place gradient_place(int i) const { return place_in(p_.nodes[at(i)].gradient, p_.nodes[at(i)].gradient_slice, i); }
    /// Where input k of a concatenation is in a place that is the whole's.
    place part_of(int concat, std::size_t k, const place& whole) const {
        const int a = g_[g_[concat].inputs[0]].out.c, first = whole.first + (k == 0 ? 0 : a);
        return {whole.buffer, first, k == 0 ? first + a : whole.first + g_[concat].out.c};
    }
    std::vector<place> places_of(int i, bool again) const {
        std::vector<place> places;
        for (const int y : parts_of(i)) places.push_back(value_place(y, again));
        return places;
    }
    /// What a backend is promised of the values that it will have to compute while it reads.
    void check_deferred() {
        for (int i = 0; i < g_.size(); ++i) {
            if (!deferred(i)) continue;
            const node_plan& n = p_.nodes[at(i)];
            const auto [a, b] = g_[i].inputs;
            expect(needed_[at(i)], i, "nothing deferred that nobody needs");
            for (int h = 0; h < g_.head_count(); ++h)
                expect(!m_.has_head(h) || result_of(g_.heads[at(h)], m_) != i, i, "a head's result to be stored");
            switch (g_[i].kind) {
            case op::batch_norm:
                expect(storage_.defers_norms && !deferred(a) && n.value == p_.nodes[at(a)].value, i, "a norm read from its stored input");
                break;
            case op::relu:
                expect(storage_.defers_norms && deferred(a) && g_[a].kind == op::batch_norm && n.value == p_.nodes[at(a)].value, i,
                       "a ReLU read from where the norm before it is");
                break;
            case op::concat:
                expect(n.value < 0 && n.gradient < 0 && a != b, i, "a concatenation of two values without a place of its own");
                expect(storage_.concat_block > 0 && g_[a].out.c % storage_.concat_block == 0, i, "whole blocks of channels in the first part");
                for (const int x : {a, b}) expect(!in_parts(x) && !storage_.dense(g_[x].out), i, "parts that are one each, and in blocks");
                for (int r = 0; r < g_.size(); ++r)
                    if (needed_[at(r)] && (g_[r].inputs[0] == i || g_[r].inputs[1] == i))
                        expect(g_[r].kind != op::batch_norm && g_[r].kind != op::concat, i, "readers that read in parts");
                break;
            default: expect(false, i, "a value that is stored");
            }
        }
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

    bool overlap(const place& a, const place& b) const {
        if (a.buffer == b.buffer) return a.first < b.last && b.first < a.last;
        const buffer &x = p_.buffers[at(a.buffer)], &y = p_.buffers[at(b.buffer)];
        return x.offset < y.offset + y.size && y.offset < x.offset + x.size;
    }
    void write(const place& to, const content& what) {
        for (std::size_t other = 0; other < contents_.size(); ++other)
            std::erase_if(contents_[other], [&](const auto& held) { return overlap(held.first, to); });
        contents_[at(to.buffer)].push_back({to, what});
        const buffer& b = p_.buffers[at(to.buffer)];
        expect(b.offset >= 0 && b.offset + b.size <= p_.arena, what.node, "a place inside the arena");
        expect(to.last != whole_buffer || b.size >= storage_.elements(g_[what.node].out), what.node, "a place large enough");
        expect(to.last == whole_buffer || b.size >= storage_.elements({to.last, g_[what.node].out.h, g_[what.node].out.w}), what.node,
               "a slice within its buffer");
    }
    /// What stands there: nothing, where it was written in other pieces.
    content at_place(const place& where) const {
        for (const auto& [held, what] : contents_[at(where.buffer)])
            if (held == where) return what;
        return {};
    }
    /// A concatenation stands in its parts: those that were there before, and those that it copied.
    bool is_slice(int concat, std::size_t k, const place& whole) const {
        const int x = g_[concat].inputs[k];
        return p_.nodes[at(x)].value_slice && value_place(x, false) == part_of(concat, k, whole);
    }
    bool holds_parts(int i) const {
        return g_[i].kind == op::concat && !in_parts(i) && (is_slice(i, 0, value_place(i, false)) || is_slice(i, 1, value_place(i, false)));
    }
    /// Whether what a concatenation copies into it is all beside a place that is read.
    bool copies_between_parts(int i, const place& in, const place& out) const {
        if (g_[i].kind != op::concat) return false;
        for (const std::size_t k : {0u, 1u})
            if (!is_slice(i, k, out) && overlap(in, part_of(i, k, out))) return false;
        return true;
    }
    static content copy_of(int concat, std::size_t k) { return {content::value, concat, {{concat, static_cast<int>(k)}}}; }
    void write_value(int i, const place& to) {
        if (g_[i].kind != op::concat) return write(to, value_of(i));
        for (const std::size_t k : {0u, 1u})
            if (given(i) || !is_slice(i, k, to)) write(part_of(i, k, to), copy_of(i, k));
    }
    bool holds_value(int i, const place& where) const {
        if (g_[i].kind != op::concat) return at_place(where) == value_of(i);
        for (const std::size_t k : {0u, 1u}) {
            const place part = part_of(i, k, where);
            if (at_place(part) != copy_of(i, k) && !(is_slice(i, k, where) && holds_value(g_[i].inputs[k], part))) return false;
        }
        return true;
    }
    void read_value(int i, const char* why, bool again = false) {
        for (int y : parts_of(i)) {
            const place b = value_place(y, again);
            for (; deferred(y); y = g_[y].inputs[0]) expect(forward_runs_[at(y)] == 1, y, std::string("its statistics known ") + why);
            expect(value_place(y, again) == b, y, "one place for a value and what is read through it");
            expect(b.buffer >= 0 && holds_value(y, b), i, std::string("its value intact ") + why);
            if (again) ++second_reads_[at(y)];
        }
    }

    // ---- the steps

    void forward(int i, bool again) {
        ++(again ? second_runs_ : forward_runs_)[at(i)];
        expect(!again || (p_.nodes[at(i)].second >= 0 && !deferred(i)), i, "a second place to compute it into");
        const place out = value_place(i, again);
        if (out.buffer < 0) return expect(false, i, "a place for the value");
        for (int k = 0; k < 2; ++k) {
            const int x = g_[i].inputs[at(k)];
            if (x < 0) continue;
            read_value(x, "for the next layer", again);
            for (const place& in : places_of(x, again)) {
                const bool in_place = in == out && k == 0 && pointwise(i) && !deferred(x) && !holds_parts(x);
                expect(deferred(i) || in_place || in.buffer < 0 || !overlap(in, out) || copies_between_parts(i, in, out), i,
                       "input and output in places of their own");
            }
        }
        if (!deferred(i)) write_value(i, out);
    }

    void run_head(const step& s) {
        heads_run_.push_back(s.head);
        const int result = result_of(g_.heads[at(s.head)], m_);
        expect(s.first == result, result, "the head's result at its step");
        read_value(result, "at the head");
        const place gradient = gradient_place(result);
        expect((gradient.buffer >= 0) == differentiated_[at(result)], result, "a gradient where it is needed");
        if (gradient.buffer < 0) return;
        expect(!overlap(gradient, value_place(result, false)), result, "logits and their gradient in places of their own");
        write(gradient, {content::gradient, result, {{-1 - s.head, 0}}});
    }

    void backward(int i) {
        ++backward_runs_[at(i)];
        const node_plan& n = p_.nodes[at(i)];
        expect(at_place(gradient_place(i)) == content{content::gradient, i, wanted_[at(i)]}, i, "its gradient complete and intact");
        if (gradient_needs_output(i)) read_value(i, "for its own gradient", true);
        if (gradient_needs_input(i)) read_value(g_[i].inputs[0], "for the gradient of its reader", true);
        for (int k = 0; k < 2; ++k) {
            const int x = g_[i].inputs[at(k)];
            const bool wanted = x >= 0 && differentiated_[at(x)];
            expect(n.differentiate[at(k)] == wanted, i, "the gradient of its inputs where they need one");
            if (!wanted) continue;
            const std::vector<int> targets = parts_of(x);
            for (std::size_t part = 0; part < targets.size(); ++part)
                if (differentiated_[at(targets[part])])
                    add_gradient(i, k, targets[part], part == 0 ? n.accumulate[at(k)] : n.accumulate_second[at(k)], targets.size() == 2);
        }
        for (const auto& [to, sum] : std::exchange(pending_, {})) write(to, sum);
    }
    /// The share of reader i, through its input k, of the gradient of x.
    void add_gradient(int i, int k, int x, bool accumulate, bool is_part) {
        const node_plan& n = p_.nodes[at(i)];
        const place aside{p_.nodes[at(x)].aside, 0, whole_buffer}, from = gradient_place(i);
        const bool sums = k == 0 && n.sums;
        const place to = aside.buffer >= 0 && !sums ? aside : gradient_place(x);
        if (aside.buffer >= 0) {
            expect(!is_part && !overlap(aside, gradient_place(x)), x, "what is aside beside the gradient");
            if (aside == from && !sums) return expect(g_[i].kind == op::add && !accumulate, i, "a gradient that is its input's share");
        }
        expect(!sums || (aside.buffer >= 0 && !accumulate && storage_.adds_gradients(g_[i])), i, "a sum of two places");
        if (to.buffer < 0) return expect(false, x, "a place for the gradient");
        const bool is_there = g_[i].kind == op::concat && n.gradient >= 0 && p_.nodes[at(x)].gradient_slice && to == part_of(i, at(k), from);
        const bool in_place = to == from;
        const bool may = k == 0 && !is_part && (pointwise(i) || g_[i].kind == op::batch_norm) && !accumulate;
        const bool apart = !overlap(to, g_[i].kind == op::concat && n.gradient >= 0 ? part_of(i, at(k), from) : from);
        expect(is_there ? !accumulate : in_place ? may : apart, i, "the gradients of input and output in places of their own");
        if (gradient_needs_output(i))
            for (const place& p : places_of(i, true)) expect(!overlap(to, p), i, "a gradient that does not overwrite the output");
        if (gradient_needs_input(i))
            for (const place& p : places_of(g_[i].inputs[0], true)) expect(!overlap(to, p), i, "a gradient that does not overwrite the input");

        content sum{content::gradient, x, {}};
        if (sums) sum.parts = shares_aside(x);
        if (accumulate) {
            const auto now = std::find_if(pending_.begin(), pending_.end(), [&](const auto& p) { return p.first == to; });
            const content held = now != pending_.end() ? now->second : at_place(to);
            expect(held.what == content::gradient && held.node == x, x, "a gradient to add to");
            sum.parts = held.parts;
        }
        sum.parts.insert({i, k});
        if (in_place || is_there || !pending_.empty()) pending_.push_back({to, sum}); // the second input's gradient still reads this one
        else write(to, sum);
    }

    /// The shares of a gradient that are aside: their sum, or the gradient of the only addition that has given one, which passed it on.
    std::set<std::pair<int, int>> shares_aside(int x) const {
        const int aside = p_.nodes[at(x)].aside;
        const content held = at_place({aside, 0, whole_buffer});
        if (held.what == content::gradient && held.node == x) return held.parts;
        for (int i = 1; i < g_.size(); ++i)
            for (int k = 0; k < 2; ++k) {
                if (g_[i].kind != op::add || g_[i].inputs[at(k)] != x || p_.nodes[at(i)].gradient != aside) continue;
                for (int y = i; p_.nodes[at(y)].gradient == aside; y = g_[y].inputs[0]) {
                    if (held == content{content::gradient, y, wanted_[at(y)]}) return {{i, k}};
                    if (g_[y].kind != op::add) break;
                }
            }
        expect(false, x, "shares of its gradient aside");
        return {};
    }

    const graph& g_;
    const mode& m_;
    const execution_plan& p_;
    storage_policy storage_;
    std::vector<std::vector<std::pair<place, content>>> contents_; ///< of each buffer
    std::vector<bool> needed_, differentiated_, asked_for_;
    std::vector<std::set<std::pair<int, int>>> wanted_;
    std::vector<int> forward_runs_, backward_runs_, second_runs_, second_reads_, heads_run_, heads_expected_;
    std::vector<std::pair<place, content>> pending_;
    mutable std::string failure_;
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
