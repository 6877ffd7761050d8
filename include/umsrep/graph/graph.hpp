// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <umsrep/graph/misfit.hpp>
#include <umsrep/graph/node.hpp>

namespace umsrep {

/// A step on the way from the network down to a layer: a name, or an index in a sequence.
struct label {
    int parent = -1;
    std::string_view text{}; ///< empty: use `index`
    int index = 0;
};

/// A dotted path inside a message, cut off where it is longer. (Plain characters: std::string in constant expressions is beyond g++ 12.)
using path_text = text<120>;

struct stage_info {
    std::string_view name;
    int first = 0, last = 0; ///< nodes [first, last)
    int output = 0;          ///< the node whose value skip connections and heads read
};

struct head_info {
    std::string_view name;
    int first = 0, last = 0; ///< nodes [first, last)
    int tap = 0;             ///< the encoder node it reads
    int logits = 0;          ///< what the loss sees
    int output = 0;          ///< what predict returns: the logits behind the output activation
};

/// A network as a value: its nodes in order of computation, who owns them and what they are called. Computed by `lower`, read by
/// every pass; an ordinary value at run time, and a constant at compile time.
struct graph {
    std::vector<node> nodes;
    std::vector<label> labels;
    std::vector<stage_info> stages;
    std::vector<head_info> heads;
    std::ptrdiff_t parameters = 0; ///< elements of the parameter array
    std::ptrdiff_t statistics = 0; ///< elements of the array of running statistics
    misfit error{};                ///< the first thing that does not fit; `ok()` when there is none

    constexpr bool ok() const { return error.kind == misfit_kind::none; }
    constexpr int size() const { return static_cast<int>(nodes.size()); }
    constexpr int stage_count() const { return static_cast<int>(stages.size()); }
    constexpr int head_count() const { return static_cast<int>(heads.size()); }
    constexpr const node& operator[](int i) const { return nodes[static_cast<std::size_t>(i)]; }

    /// Index of a head or stage by name; -1 when there is none.
    constexpr int find_head(std::string_view name) const {
        for (int h = 0; h < head_count(); ++h)
            if (heads[static_cast<std::size_t>(h)].name == name) return h;
        return -1;
    }
    constexpr int find_stage(std::string_view name) const {
        for (int s = 0; s < stage_count(); ++s)
            if (stages[static_cast<std::size_t>(s)].name == name) return s;
        return -1;
    }

    /// The dotted path of a label: "encoder.e1.0.0". It is the name that PyTorch's state_dict would use. For messages.
    constexpr path_text path_of(int id) const {
        path_text result;
        if (id < 0) return result;
        const label& l = labels[static_cast<std::size_t>(id)];
        if (l.parent >= 0) {
            result = path_of(l.parent);
            result << ".";
        }
        return l.text.empty() ? result << l.index : result << l.text;
    }
    /// The same for a node, of any length.
    std::string path(const node& n) const {
        std::string result;
        for (int id = n.label; id >= 0; id = labels[static_cast<std::size_t>(id)].parent) {
            const label& l = labels[static_cast<std::size_t>(id)];
            result.insert(0, (l.text.empty() ? std::to_string(l.index) : std::string(l.text)) + (result.empty() ? "" : "."));
        }
        return result;
    }
};

} // namespace umsrep
