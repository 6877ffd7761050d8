// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include <umsrep/graph/place.hpp>
#include <umsrep/graph/order.hpp>

namespace umsrep {

/// How a plan treats one node.
struct node_plan {
    int value = -1, gradient = -1;     ///< buffers; -1: there is none
    slice value_slice{}, gradient_slice{}; ///< which channels of those
    int second = -1;                   ///< the value's from its recomputation on, where it is computed twice
    std::array<bool, 2> differentiate{}; ///< the gradient of input i is computed
    std::array<bool, 2> accumulate{};    ///< ... and added to what other readers of that input wrote
    std::array<bool, 2> accumulate_second{}; ///< the same for its second part, where input i is a deferred concatenation
    /// The value is never written. A batch_norm's is read from its input's buffer, `value`, through the norm; a ReLU's through the norm and
    /// the ReLU; a concatenation's from the buffers of its two inputs, and its gradient goes to theirs.
    bool deferred = false;
    int aside = -1;    ///< of its gradient: where all but the last of its readers give their shares to, which the last one adds; -1: nowhere
    bool sums = false; ///< backward adds what is aside to the gradient of its first input
    bool trains = false;
    bool batch_statistics = false;
    bool given = false;  ///< the value comes from outside: `executor::set_value`
    bool wanted = false; ///< the value stays until the end, for `executor::get_value`

    constexpr bool runs() const { return (value >= 0 || deferred) && !given; }
    /// Where the value is: as computed first, or as backward, and what is recomputed for it, reads it.
    constexpr int place(bool again) const { return again && second >= 0 ? second : value; }
    friend constexpr bool operator==(const node_plan&, const node_plan&) = default;
};

/// Everything a backend needs to run a graph in one mode: the steps in order and the place of every buffer.
struct execution_plan {
    mode what{};
    std::vector<step> steps;
    std::vector<buffer> buffers;
    std::vector<node_plan> nodes;
    std::ptrdiff_t arena = 0; ///< elements per sample

    constexpr int count(phase p) const {
        int n = 0;
        for (const step& s : steps) n += s.what == p ? 1 : 0;
        return n;
    }
};

namespace detail {

/// Leaves the sum of a gradient's shares to the last reader that gives one, where it can add: the others write aside. A sum's share is its own
/// gradient: where it is the only one aside, and is not written over before it is read, it stays where it is.
constexpr void put_aside(const graph& g, execution_plan& p, const storage_policy& storage) {
    struct givers {
        int count = 0, first = -1, last = -1;
        std::size_t input = 0; ///< of the last
    };
    std::vector<givers> of(g.nodes.size(), givers{});
    const auto plan_of = [&](int i) -> node_plan& { return p.nodes[static_cast<std::size_t>(i)]; };
    for (const step& s : p.steps) {
        if (s.what == phase::head) of[static_cast<std::size_t>(s.first)].count = g.size() * 2; // its loss writes into the gradient itself
        if (s.what != phase::backward) continue;
        for (int i = s.last; i >= s.first; --i)
            for (std::size_t k = 0; k < 2; ++k) {
                if (plan_of(i).gradient < 0 || !plan_of(i).differentiate[k]) continue;
                givers& x = of[static_cast<std::size_t>(g[i].inputs[k])];
                if (x.count++ == 0) x.first = i;
                x.last = i;
                x.input = k;
            }
    }
    for (int x = 1; x < g.size(); ++x) {
        const givers& shares = of[static_cast<std::size_t>(x)];
        if (shares.count < 2 || shares.count >= g.size() * 2 || shares.input != 0 || !storage.adds_gradients(g[shares.last]) ||
            plan_of(x).gradient < 0 || plan_of(x).gradient_slice || plan_of(shares.last).gradient_slice)
            continue;
        plan_of(shares.last).sums = true;
        const int from = shares.first, place = plan_of(from).gradient;
        bool stays = shares.count == 2 && g[from].kind == op::add && !plan_of(from).gradient_slice;
        for (int i = 1; i < from && stays; ++i) // who reads that gradient behind the sum, and writes over it
            stays = plan_of(i).gradient != place ||
                    (!plan_of(i).gradient_slice && (g[i].kind == op::add || plan_of(g[i].inputs[0]).gradient != place));
        if (stays) {
            plan_of(x).aside = place;
            continue;
        }
        plan_of(x).aside = static_cast<int>(p.buffers.size());
        p.buffers.push_back({0, round_to_granularity(storage.elements(g[x].out)), static_cast<int>(p.steps.size()), -1, true});
    }
}

} // namespace detail

/// A plan whose buffers have no places yet: prune, fuse, recompute, order, lifetimes.
constexpr execution_plan make_unplaced_plan(const graph& g, const mode& m, const storage_policy& storage) {
    const std::vector<node_use> use = prune(g, m);
    const sharing share = fuse(g, m, use, storage);
    execution_plan p{};
    p.what = m;
    const std::vector<int> second = recompute(g, m, use, share);
    p.steps = order_steps(g, m, use, share, second, storage);
    p.nodes.resize(g.nodes.size());

    // One buffer for each value and each gradient that is nobody's guest.
    const auto buffer_of = [&](const std::vector<int>& hosts, std::vector<int>& numbers, int i, bool gradient) {
        const int host = hosts[static_cast<std::size_t>(i)];
        if (host < 0) return -1;
        int& number = numbers[static_cast<std::size_t>(host)];
        if (number < 0) {
            number = static_cast<int>(p.buffers.size());
            p.buffers.push_back({0, round_to_granularity(storage.elements(g[host].out)), static_cast<int>(p.steps.size()), -1, gradient});
        }
        return number;
    };
    std::vector<int> value_numbers(g.nodes.size(), -1), gradient_numbers(g.nodes.size(), -1), second_numbers(g.nodes.size(), -1);
    for (int i = 0; i < g.size(); ++i) {
        node_plan& n = p.nodes[static_cast<std::size_t>(i)];
        const node_use& u = use[static_cast<std::size_t>(i)];
        n.value = buffer_of(share.value, value_numbers, i, false);
        n.gradient = buffer_of(share.gradient, gradient_numbers, i, true);
        n.value_slice = share.value_slice[static_cast<std::size_t>(i)];
        n.gradient_slice = share.gradient_slice[static_cast<std::size_t>(i)];
        n.second = buffer_of(second, second_numbers, i, false);
        n.deferred = share.deferred[static_cast<std::size_t>(i)];
        n.trains = u.trains;
        n.batch_statistics = u.batch_statistics;
        n.given = u.given;
        n.wanted = u.wanted;
        for (std::size_t k = 0; k < 2; ++k) {
            const int input = g[i].inputs[k];
            n.differentiate[k] = input >= 0 && u.backward && use[static_cast<std::size_t>(input)].backward;
        }
    }

    if (storage.adds_gradients != nullptr) detail::put_aside(g, p, storage);

    // Lifetimes, and who writes a gradient first.
    const auto live = [&](int buffer_number, int now) {
        buffer& b = p.buffers[static_cast<std::size_t>(buffer_number)];
        b.born = std::min(b.born, now);
        b.dies = std::max(b.dies, now);
    };
    const auto plan_of = [&](int i) -> node_plan& { return p.nodes[static_cast<std::size_t>(i)]; };
    const auto in_parts = [&](int i) { return plan_of(i).deferred && g[i].kind == op::concat; };
    const auto read = [&](int i, int now, bool again) {
        if (!in_parts(i)) return live(plan_of(i).place(again), now);
        for (const int input : g[i].inputs) live(plan_of(input).place(again), now);
    };
    std::vector<char> written(g.nodes.size(), false);
    /// The gradient of a node, or of one part of it, gets a share; whether others wrote theirs before, to the same place.
    const auto add_gradient = [&](int i, int now, bool sums = false) {
        if (plan_of(i).gradient < 0) return false;
        if (plan_of(i).aside >= 0) live(plan_of(i).aside, now);
        if (plan_of(i).aside >= 0 && !sums) return std::exchange(written[static_cast<std::size_t>(i)], true) != 0;
        if (sums) return live(plan_of(i).gradient, now), false;
        live(plan_of(i).gradient, now);
        return std::exchange(written[static_cast<std::size_t>(i)], true) != 0;
    };
    if (plan_of(0).value >= 0) live(plan_of(0).value, 0);
    for (const node_plan& n : p.nodes) {
        if (n.given) live(n.value, 0);
        if (n.wanted) live(n.value, std::max(static_cast<int>(p.steps.size()) - 1, 0));
    }
    for (int now = 0; now < static_cast<int>(p.steps.size()); ++now) {
        const step& s = p.steps[static_cast<std::size_t>(now)];
        if (s.what == phase::head) {
            live(plan_of(s.first).value, now);
            if (plan_of(s.first).gradient >= 0) live(plan_of(s.first).gradient, now);
            written[static_cast<std::size_t>(s.first)] = true;
            continue;
        }
        const bool backward = s.what == phase::backward, again = s.what != phase::forward;
        for (int i = backward ? s.last : s.first; i >= s.first && i <= s.last; i += backward ? -1 : 1) {
            node_plan& n = plan_of(i);
            const node_use& u = use[static_cast<std::size_t>(i)];
            if (!backward) {
                live(n.place(again), now);
                for (const int input : g[i].inputs)
                    if (input >= 0) read(input, now, again);
                continue;
            }
            if (!u.backward) continue;
            live(n.gradient, now);
            if (backward_reads_output(g[i].kind)) read(i, now, again);
            if (backward_reads_input(g[i].kind, n.trains, n.batch_statistics)) read(g[i].inputs[0], now, again);
            for (std::size_t k = 0; k < 2; ++k) {
                if (!n.differentiate[k]) continue;
                const int input = g[i].inputs[k];
                const bool two = in_parts(input);
                n.accumulate[k] = add_gradient(two ? g[input].inputs[0] : input, now, k == 0 && n.sums);
                if (two) n.accumulate_second[k] = add_gradient(g[input].inputs[1], now);
            }
        }
    }
    return p;
}

/// The passes in order: prune, fuse, recompute, order, lifetimes, place.
constexpr execution_plan make_plan(const graph& g, const mode& m, const storage_policy& storage) {
    execution_plan p = make_unplaced_plan(g, m, storage);
    p.arena = place(p.buffers);
    return p;
}

} // namespace umsrep
