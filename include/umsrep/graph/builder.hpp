// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <umsrep/core/hash_name.hpp>
#include <umsrep/graph/graph.hpp>

namespace umsrep {

/// Collects the nodes of a graph while `lower` walks over the types. Works the same in a constant expression and at run time.
class graph_builder {
public:
    constexpr explicit graph_builder(shape image, bool size_is_dynamic = false) : dynamic_{size_is_dynamic} {
        node n{};
        n.in = n.out = image;
        n.label = open("image");
        close();
        g_.nodes.push_back(n);
    }

    constexpr shape shape_of(int id) const { return g_[id].out; }
    constexpr int size() const { return g_.size(); }
    /// The image size is only one example of those that the network will meet.
    constexpr bool size_is_dynamic() const { return dynamic_; }

    /// Appends a node under the name in force; gives its number. The caller has set kind, inputs, output shape and attributes.
    constexpr int append(node n, std::ptrdiff_t weight = 0, std::ptrdiff_t bias = 0, std::ptrdiff_t statistics = 0) {
        n.owner = owner_;
        n.label = current_;
        n.in = shape_of(n.inputs[0]);
        n.weight = take(g_.parameters, weight);
        n.bias = take(g_.parameters, bias);
        n.running_mean = take(g_.statistics, statistics);
        n.running_var = take(g_.statistics, statistics);
        g_.nodes.push_back(n);
        return size() - 1;
    }

    /// Names: whatever `body` appends is called "parent.name" or "parent.index".
    template <class Body>
    constexpr int in(std::string_view name, Body body) {
        const int before = current_;
        open(name);
        check_name(name, before);
        const int result = body();
        current_ = before;
        return result;
    }
    template <class Body>
    constexpr int in(int index, Body body) {
        const int before = current_;
        open({}, index);
        const int result = body();
        current_ = before;
        return result;
    }

    constexpr void remember(std::string_view name, int id) {
        for (const auto& m : memory_)
            if (m.first == name) return fail(misfit_kind::duplicate_name, "tap", name, {}, {});
        memory_.push_back({name, id});
    }
    /// The node remembered under a name; -1, and a recorded misfit, when there is none.
    constexpr int recall(std::string_view name, std::string_view layer) {
        for (const auto& m : memory_)
            if (m.first == name) return m.second;
        fail(misfit_kind::unknown_name, layer, name, {}, {});
        return -1;
    }
    /// Taps made inside a head end with it.
    constexpr std::size_t memory() const { return memory_.size(); }
    constexpr void forget_since(std::size_t mark) { memory_.resize(mark); }

    constexpr void owner(int id) { owner_ = id; }

    /// Records the first misfit, with the part and the layer in force.
    constexpr void fail(misfit_kind kind, std::string_view layer, std::string_view what, shape expected, shape got) {
        if (!g_.ok()) return;
        misfit m{};
        m.kind = kind;
        const path_text whole = g_.path_of(current_);
        const std::string_view path = whole.view();
        const std::size_t dot = path.find('.');
        m.part << (path.empty() ? "network" : path.substr(0, dot));
        if (dot != path.npos) m.layer << path.substr(dot + 1);
        if (dot != path.npos && !layer.empty()) m.layer << " ";
        m.layer << layer;
        m.what << what;
        m.expected = expected;
        m.got = got;
        g_.error = m;
    }

    /// Records two layers whose parameters would have one name.
    constexpr void check_parameter_names() {
        std::vector<std::pair<std::uint64_t, int>> names;
        for (const node& n : g_.nodes)
            if (n.weight || n.bias || n.running_mean) names.push_back({path_hashes_[static_cast<std::size_t>(n.label)], n.label});
        std::sort(names.begin(), names.end());
        for (std::size_t i = 1; i < names.size(); ++i)
            if (names[i].first == names[i - 1].first) {
                current_ = names[i].second;
                const label& l = g_.labels[static_cast<std::size_t>(current_)];
                fail(misfit_kind::duplicate_name, {}, l.text.empty() ? (text<12>{} << l.index).view() : l.text, {}, {});
            }
    }

    constexpr graph& value() { return g_; }

private:
    constexpr int open(std::string_view text, int index = 0) {
        const std::uint64_t above = current_ < 0 ? hash_name({}) : path_hashes_[static_cast<std::size_t>(current_)];
        path_hashes_.push_back(hash_name(text.empty() ? (umsrep::text<12>{} << index).view() : text, hash_name(".", above)));
        g_.labels.push_back({current_, text, index});
        return current_ = static_cast<int>(g_.labels.size()) - 1;
    }
    constexpr void close() { current_ = -1; }
    /// Names become parts of dotted paths, and no two children of one parent may have the same.
    constexpr void check_name(std::string_view name, int parent) {
        if (name.empty() || name.find('.') != name.npos)
            return fail(misfit_kind::option, {}, "a name needs characters and no dot", {}, {});
        for (int i = parent + 1; i < current_; ++i) {
            const label& other = g_.labels[static_cast<std::size_t>(i)];
            if (other.parent != parent) continue;
            if (other.text.empty() ? (text<12>{} << other.index).view() == name : other.text == name)
                return fail(misfit_kind::duplicate_name, {}, name, {}, {});
        }
    }
    static constexpr slot take(std::ptrdiff_t& total, std::ptrdiff_t size) {
        const slot s{size != 0 ? total : 0, size};
        total += size;
        return s;
    }

    graph g_{};
    std::vector<std::uint64_t> path_hashes_{}; ///< of every label's dotted path
    std::vector<std::pair<std::string_view, int>> memory_{};
    int current_ = -1;
    int owner_ = 0;
    bool dynamic_ = false;
};

} // namespace umsrep
