// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/graph/count.hpp>
#include <umsrep/graph/op_name.hpp>
#include <umsrep/network/check.hpp>
#include <umsrep/network/facts.hpp>

/// A network in words: a table for people, and a graph for Graphviz.
namespace umsrep {

namespace detail {

/// 1234567 as "1,234,567".
inline std::string grouped(std::int64_t value) {
    std::string digits = std::to_string(value);
    for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
    return digits;
}

/// With one decimal and the largest unit that leaves a number of 1 or more: "18.9 M". Integers only: no locale has a say.
inline std::string scaled(std::int64_t value, std::int64_t step, std::array<std::string_view, 5> units) {
    std::int64_t unit = 1;
    std::size_t name = 0;
    while (name + 1 < units.size() && value / step >= unit) {
        unit *= step;
        ++name;
    }
    if (name == 0) return std::to_string(value) + std::string(units[0]);
    const std::int64_t whole = value / unit, tenths = (value % unit * 10 + unit / 2) / unit;
    return std::to_string(whole + tenths / 10) + "." + std::to_string(tenths % 10) + std::string(units[name]);
}
inline std::string count_text(std::int64_t n) { return scaled(n, 1000, {"", " k", " M", " G", " T"}); }
inline std::string bytes_text(std::int64_t n) { return scaled(n, 1024, {" B", " KiB", " MiB", " GiB", " TiB"}); }
inline std::string shape_text(shape s) {
    return std::to_string(s.c) + " x " + std::to_string(s.h) + " x " + std::to_string(s.w);
}

/// Whom a node belongs to, as its name begins: "encoder.e1" or the head's name.
inline std::string part_name(const graph& g, int owner) {
    const std::size_t i = static_cast<std::size_t>(owner);
    if (owner < g.stage_count()) return "encoder." + std::string(g.stages[i].name);
    return std::string(g.heads[i - g.stages.size()].name);
}

/// The rest of a node's name: "0.1"; empty where a part is a single layer.
inline std::string name_in_part(const graph& g, const node& n) {
    const std::string whole = g.path(n), part = part_name(g, n.owner);
    return whole.size() > part.size() ? whole.substr(part.size() + 1) : std::string{};
}

/// Cells of one line; the first `left` columns of a table stand to the left, the others to the right.
using table_row = std::vector<std::string>;

/// Lines of at most `columns` characters: where that is too little, the first column gives way.
inline std::string table(const std::vector<table_row>& rows, std::size_t left, std::size_t columns) {
    std::vector<std::size_t> width(rows[0].size(), 0);
    for (const table_row& r : rows)
        for (std::size_t c = 0; c < r.size(); ++c) width[c] = std::max(width[c], r[c].size());
    std::size_t others = 0;
    for (std::size_t c = 1; c < width.size(); ++c) others += width[c] + 2;
    width[0] = std::min(width[0], columns > others + 8 ? columns - others : 8);

    std::string text;
    for (const table_row& r : rows) {
        std::string line;
        for (std::size_t c = 0; c < r.size(); ++c) {
            std::string cell = r[c];
            if (cell.size() > width[c]) cell = ".." + cell.substr(cell.size() - width[c] + 2); // the end of a name says most
            const std::string blanks(width[c] - cell.size(), ' ');
            line += c < left ? cell + blanks : blanks + cell;
            if (c + 1 < r.size()) line += "  ";
        }
        text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return text;
}

/// What a plan of the network takes: for one image, except gradients and moments of the parameters that train.
inline table_row plan_row(const graph& g, std::string title, const mode& m) {
    const execution_plan p = make_plan(g, m, dense_float::storage);
    const std::int64_t trained = trained_parameters(g, p), bytes = dense_float::scalar_bytes;
    return {std::move(title), m.training ? grouped(trained) : "", count_text(macs(g, p)), bytes_text(p.arena * bytes),
            m.training ? bytes_text(3 * trained * bytes) : ""};
}

inline void expect_fit(const graph& g) {
    if (!g.ok()) throw shape_mismatch(to_string(g.error));
}

/// Between quotation marks in the language of Graphviz.
inline std::string dot_string(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += c == '\n' ? std::string("\\n") : std::string(1, c);
    }
    return result + "\"";
}

} // namespace detail

/// The table of a lowered network, at most 100 columns wide: every layer with its output (C x H x W), parameters, multiply-accumulates and
/// the bytes of its output for one image in float; sums for every stage and head; what prediction and training take.
/// Throws shape_mismatch when the network does not fit its image.
inline std::string describe(const graph& g) {
    using namespace detail;
    expect_fit(g);
    std::vector<table_row> rows{{"layer", "op", "output", "parameters", "MACs", "bytes"},
                                {"image", "", shape_text(g[0].out), "", "", bytes_text(g[0].out.size() * 4)}};
    std::int64_t all_macs = 0;
    for (int owner = 0; owner < g.stage_count() + g.head_count(); ++owner) {
        const std::size_t heading = rows.size();
        rows.push_back({});
        std::int64_t parameters = 0, part_macs = 0, elements = 0;
        for (const node& n : g.nodes) {
            if (n.kind == op::input || n.owner != owner) continue;
            const std::int64_t own = n.weight.size + n.bias.size;
            rows.push_back({"  " + name_in_part(g, n), std::string(name(n.kind)), shape_text(n.out), own != 0 ? grouped(own) : "",
                            macs(n) != 0 ? count_text(macs(n)) : "", bytes_text(n.out.size() * 4)});
            parameters += own;
            part_macs += macs(n);
            elements += n.out.size();
        }
        rows[heading] = {part_name(g, owner), "", "", grouped(parameters), count_text(part_macs), bytes_text(elements * 4)};
        all_macs += part_macs;
    }
    rows.push_back({"total", "", "", grouped(g.parameters), count_text(all_macs), ""});

    const int stages = g.stage_count();
    const auto training = [&](int first, bool checkpoint = false) {
        mode m{};
        m.training = true;
        m.checkpoint = checkpoint;
        m.first_trained_stage = first;
        return m;
    };
    std::vector<table_row> plans{{"one image", "trained", "MACs", "activations", "gradients, moments"},
                                 plan_row(g, "prediction", mode{}), plan_row(g, "training, encoder frozen", training(stages))};
    if (stages > 1) plans.push_back(plan_row(g, "training, last stage", training(stages - 1)));
    plans.push_back(plan_row(g, "training, all", training(0)));
    plans.push_back(plan_row(g, "training, all, checkpointed", training(0, true)));
    return table(rows, 2, 100) + "\n" + table(plans, 1, 100);
}

/// The table of a network type. Give the image where its size is dynamic.
template <class Net>
std::string describe(shape image = network_traits<Net>::checked_image) {
    static_assert(fits<Net>);
    return describe(lower<Net>(image));
}

/// A lowered network in the language of Graphviz: stages and heads are clusters. `dot -Tsvg network.dot -o network.svg`.
inline std::string describe_dot(const graph& g) {
    using namespace detail;
    expect_fit(g);
    std::string text = "digraph network {\n  node [shape=box, fontname=\"sans-serif\"];\n";
    text += "  n0 [label=" + dot_string("image\n" + shape_text(g[0].out)) + ", shape=oval];\n";
    for (int owner = 0; owner < g.stage_count() + g.head_count(); ++owner) {
        text += "  subgraph cluster_" + std::to_string(owner) + " {\n    label=" + dot_string(part_name(g, owner)) + ";\n";
        for (int i = 1; i < g.size(); ++i) {
            if (g[i].owner != owner) continue;
            const std::string own = name_in_part(g, g[i]);
            text += "    n" + std::to_string(i) + " [label=" +
                    dot_string((own.empty() ? "" : own + " ") + std::string(name(g[i].kind)) + "\n" + shape_text(g[i].out)) + "];\n";
        }
        text += "  }\n";
    }
    for (int i = 1; i < g.size(); ++i)
        for (const int input : g[i].inputs)
            if (input >= 0) text += "  n" + std::to_string(input) + " -> n" + std::to_string(i) + ";\n";
    return text + "}\n";
}

template <class Net>
std::string describe_dot(shape image = network_traits<Net>::checked_image) {
    static_assert(fits<Net>);
    return describe_dot(lower<Net>(image));
}

} // namespace umsrep
