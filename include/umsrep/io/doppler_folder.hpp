// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <umsrep/core/doppler_calibration.hpp>
#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/data/sample.hpp>
#include <umsrep/data/sim/doppler_flow.hpp>
#include <umsrep/io/csv.hpp>
#include <umsrep/io/manifest.hpp>

namespace umsrep::io {

struct doppler_folder_options {
    std::string table = "calibration.csv"; ///< in the folder
    std::string envelope = "envelope";     ///< head of the masks
    std::string quality = "quality";       ///< head of the view's quality
    std::string flow = "flow";             ///< head of the kind of flow
    std::vector<std::string> qualities = {"poor", "good"}; ///< the class index is the place in this list, as for the simulator
    std::vector<std::string> flows = {sim::doppler_flow_names.begin(), sim::doppler_flow_names.end()};
};

/// A folder of Doppler spectrograms (PNG or JPEG) with a table, calibration.csv, of a row for each:
///
///   file             the image; named as seen from the folder
///   cm_s_per_pixel   height of a row, > 0
///   ms_per_column    width of a column, > 0
///   baseline_row     where velocity is zero, in rows from the image's upper edge (0) to its lower one (its height)
///   mask             optional: image of the envelope's mask, of the same size
///   quality          optional: poor or good
///   flow             optional: one of `sim::doppler_flow_names`
///   patient          optional: who it is; rows without one are patients of their own. Split by it
///   dataset, split   optional: as in `manifest`
///
/// The calibration is that of the image as it is stored; `doppler_calibration::resampled` follows a change of its size. An empty
/// cell of an optional column is no label.
///
/// Reading the table throws what `manifest` and `csv` throw, and label_error for a calibration that is no number, not above 0, or
/// empty; `get` throws file_error (not an image), shape_mismatch (mask of another size), label_error (baseline outside of the
/// image). Each names table, line and column.
class doppler_folder {
public:
    /// The rows of one split; of all when `split` is empty.
    doppler_folder(const std::filesystem::path& folder, const std::string& split = "", const doppler_folder_options& options = {})
        : doppler_folder{folder / options.table, csv::read(folder / options.table), split, options} {}

    std::size_t size() const { return rows_.size(); }

    data::sample get(std::size_t index, random_stream& random) const {
        data::sample s = images_.get(index, random);
        const row& r = rows_.at(index);
        const std::size_t rows = s.image.shape()[1];
        if (!(r.calibration.baseline_row >= 0.0 && r.calibration.baseline_row <= static_cast<double>(rows)))
            throw label_error(r.where + ": column 'baseline_row'", "0 to " + std::to_string(rows),
                              std::to_string(r.calibration.baseline_row));
        return s;
    }

    const doppler_calibration& calibration(std::size_t index) const { return rows_.at(index).calibration; }

    const std::string& patient(std::size_t index) const { return rows_.at(index).patient; }

private:
    struct row {
        doppler_calibration calibration;
        std::string patient, where;
    };

    doppler_folder(const std::filesystem::path& path, const csv& table, const std::string& split, const doppler_folder_options& options)
        : images_{path, split, columns_of(table, options)} {
        const std::size_t file = table.column("file"), height = table.column("cm_s_per_pixel"), width = table.column("ms_per_column"),
                          baseline = table.column("baseline_row");
        const auto patient = table.find_column("patient");
        for (std::size_t r = 0; r < table.rows(); ++r) {
            if (!split.empty() && table.at(r, table.column("split")) != split) continue;
            row made{{positive(table, r, height), positive(table, r, width), number(table, r, baseline)}, "", table.where_row(r)};
            if (patient) made.patient = table.at(r, *patient);
            if (made.patient.empty()) made.patient = table.at(r, file);
            rows_.push_back(std::move(made));
        }
    }

    static manifest_columns columns_of(const csv& table, const doppler_folder_options& options) {
        manifest_columns columns;
        if (table.find_column("mask")) columns.masks = {{options.envelope, "mask"}};
        if (table.find_column("quality")) columns.categories.push_back({options.quality, "quality", options.qualities});
        if (table.find_column("flow")) columns.categories.push_back({options.flow, "flow", options.flows});
        return columns;
    }

    static double number(const csv& table, std::size_t r, std::size_t column) {
        const std::string& cell = table.at(r, column);
        double value = 0;
        const auto [end, failure] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
        if (failure != std::errc{} || end != cell.data() + cell.size() || !std::isfinite(value)) refuse(table, r, column, "a number");
        return value;
    }

    static double positive(const csv& table, std::size_t r, std::size_t column) {
        const double value = number(table, r, column);
        if (value <= 0.0) refuse(table, r, column, "a number above 0");
        return value;
    }

    [[noreturn]] static void refuse(const csv& table, std::size_t r, std::size_t column, const char* expected) {
        throw label_error(table.where_row(r) + ": column '" + table.columns()[column] + "'", expected, "'" + table.at(r, column) + "'");
    }

    manifest images_;
    std::vector<row> rows_;
};

} // namespace umsrep::io
