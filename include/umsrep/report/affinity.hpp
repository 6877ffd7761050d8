// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/io/csv.hpp>
#include <umsrep/report/table.hpp>
#include <umsrep/train/affinity.hpp>

namespace umsrep::report {

/// One row for each ordered pair of tasks (i, j): the cosine of their gradients, how often it was negative, and the transfer gain from i to
/// j; then the cosine stage by stage.
inline table affinity_table(const task_affinity& a) {
    std::vector<column> columns{{"task"}, {"on task"}, {"cosine", align::right}, {"conflicts, %", align::right}, {"gain, %", align::right}};
    for (const std::string& stage : a.stages()) columns.push_back({stage, align::right});
    table t{std::move(columns)};
    for (std::size_t i = 0; i < a.tasks().size(); ++i)
        for (std::size_t j = 0; j < a.tasks().size(); ++j) {
            if (i == j) continue;
            std::vector<std::string> row{a.tasks()[i], a.tasks()[j], number(a.cosine(i, j)), number(100 * a.conflict(i, j), 0),
                                         number(100 * a.gain(i, j))};
            for (std::size_t s = 0; s < a.stages().size(); ++s) row.push_back(number(a.cosine_of_stage(s, i, j)));
            t.add(std::move(row));
        }
    return t;
}

/// The same as CSV, fractions rather than percent, and with a task on itself; an empty field where nothing was measured. Atomic.
/// @throws file_error when it cannot be written
inline void write_affinity(const std::filesystem::path& path, const task_affinity& a) {
    const auto field = [](double value) { return std::isnan(value) ? std::string() : number(value, 9); };
    std::vector<std::string> columns{"task", "on_task", "steps", "cosine", "conflict", "gain", "length"};
    for (const std::string& stage : a.stages()) columns.push_back("cosine." + stage);
    std::vector<std::vector<std::string>> rows;
    for (std::size_t i = 0; i < a.tasks().size(); ++i)
        for (std::size_t j = 0; j < a.tasks().size(); ++j) {
            rows.push_back({a.tasks()[i], a.tasks()[j], std::to_string(a.steps()), field(a.cosine(i, j)), field(a.conflict(i, j)),
                            field(a.gain(i, j)), field(a.length(i))});
            for (std::size_t s = 0; s < a.stages().size(); ++s) rows.back().push_back(field(a.cosine_of_stage(s, i, j)));
        }
    io::write_csv(path, columns, rows);
}

} // namespace umsrep::report
