// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/data/sample.hpp>
#include <umsrep/io/csv.hpp>
#include <umsrep/io/image.hpp>

namespace umsrep::io {

/// Which columns of a manifest mean what. An empty cell means that the sample has no label for that head.
struct manifest_columns {
    /// A column with the file of a mask, of the height and width of its image. Foreground is what is brighter than half of the
    /// mask's brightest pixel, so that files of 0/1 and of 0/255 mean the same.
    struct mask {
        std::string head, column = "mask";
    };
    /// A column with the name of a class; its place in `classes` is the class index.
    struct category {
        std::string head, column;
        std::vector<std::string> classes;
    };
    /// A column with a number.
    struct number {
        std::string head, column;
    };

    std::string file = "file";
    std::string group = "dataset"; ///< sample::group; the column may be absent
    std::string split = "split";   ///< needed when one split is asked for
    std::vector<mask> masks = {};
    std::vector<category> categories = {};
    std::vector<number> numbers = {};
};

/// The rows of a CSV file with the given split (every row if `split` is empty) as a dataset. Files are named relative to the
/// manifest's folder, or to the folder that holds it. Images are (1, H, W), masks (1, H, W) of 0 and 1, both as large as stored.
///
/// Reading the manifest throws file_error (a column or a file is missing, the split is empty) or label_error (a class that is not
/// listed, a number that is none), naming manifest, line and column. `get` throws file_error (not an image) and shape_mismatch (a mask of
/// another size than its image), naming these and the file.
class manifest {
public:
    manifest(const std::filesystem::path& path, const std::string& split, manifest_columns columns)
        : columns_{std::move(columns)} {
        const csv table = csv::read(path);
        const std::size_t file = table.column(columns_.file);
        const auto group = table.find_column(columns_.group);
        const std::size_t split_column = split.empty() ? 0 : table.column(columns_.split);
        for (const auto& m : columns_.masks) table.column(m.column);
        for (const auto& c : columns_.categories) table.column(c.column);
        for (const auto& n : columns_.numbers) table.column(n.column);

        for (std::size_t r = 0; r < table.rows(); ++r) {
            if (!split.empty() && table.at(r, split_column) != split) continue;
            row made;
            made.name = table.at(r, file);
            made.where = table.where_row(r);
            made.image = found(path, made.name, in_column(made.where, columns_.file));
            if (group) made.group = table.at(r, *group);
            for (const auto& m : columns_.masks) {
                const std::string& cell = table.at(r, table.column(m.column));
                made.masks.push_back(cell.empty() ? std::filesystem::path{} : found(path, cell, in_column(made.where, m.column)));
            }
            for (const auto& c : columns_.categories) {
                const std::string& cell = table.at(r, table.column(c.column));
                made.values.push_back(cell.empty() ? std::nullopt : std::optional{class_index(c, cell, made.where)});
            }
            for (const auto& n : columns_.numbers) {
                const std::string& cell = table.at(r, table.column(n.column));
                made.values.push_back(cell.empty() ? std::nullopt : std::optional{number(n, cell, made.where)});
            }
            rows_.push_back(std::move(made));
        }
        if (rows_.empty()) {
            throw file_error(path.string(), split.empty() ? "at least one row" : "rows of split '" + split + "'", "none");
        }
    }

    std::size_t size() const { return rows_.size(); }

    data::sample get(std::size_t index, random_stream&) const {
        const row& r = rows_.at(index);
        data::sample s;
        s.id = r.name;
        s.group = r.group;
        s.image = read_at(r.image, in_column(r.where, columns_.file));
        for (std::size_t m = 0; m < r.masks.size(); ++m) {
            if (r.masks[m].empty()) continue;
            const auto& [head, column] = columns_.masks[m];
            s.set(head, read_mask(r.masks[m], in_column(r.where, column), s.image), data::label_kind::mask);
        }
        for (std::size_t v = 0; v < r.values.size(); ++v) {
            const std::size_t categories = columns_.categories.size();
            const std::string& head = v < categories ? columns_.categories[v].head : columns_.numbers[v - categories].head;
            if (r.values[v]) s.set(head, *r.values[v]);
        }
        return s;
    }

private:
    struct row {
        std::string name, group, where;
        std::filesystem::path image;
        std::vector<std::filesystem::path> masks; ///< as columns_.masks; empty: not labelled
        std::vector<std::optional<float>> values; ///< as columns_.categories, then columns_.numbers
    };

    static std::string in_column(const std::string& where, const std::string& column) { return where + ": column '" + column + "'"; }

    static std::filesystem::path found(const std::filesystem::path& manifest, const std::string& name, const std::string& where) {
        if (name.empty()) throw file_error(where, "the name of a file", "an empty cell");
        const std::filesystem::path folder = std::filesystem::absolute(manifest).parent_path();
        for (const auto& candidate : {folder / name, folder.parent_path() / name}) { // an absolute name stays as it is
            std::error_code ignored;
            if (std::filesystem::is_regular_file(candidate, ignored)) return candidate;
        }
        throw file_error(where + ": " + name + ": no such file in " + folder.string() + " or the folder that holds it");
    }

    static float class_index(const manifest_columns::category& c, const std::string& cell, const std::string& where) {
        const auto place = std::ranges::find(c.classes, cell);
        if (place != c.classes.end()) return static_cast<float>(place - c.classes.begin());
        std::string known;
        for (const std::string& name : c.classes) known += (known.empty() ? "" : ", ") + name;
        throw label_error(in_column(where, c.column), "one of " + known, "'" + cell + "'");
    }

    static float number(const manifest_columns::number& n, const std::string& cell, const std::string& where) {
        float value = 0;
        const auto [end, failure] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
        if (failure != std::errc{} || end != cell.data() + cell.size() || !std::isfinite(value)) {
            throw label_error(in_column(where, n.column), "a number", "'" + cell + "'");
        }
        return value;
    }

    static data::tensor read_at(const std::filesystem::path& path, const std::string& where) {
        try {
            return read_image(path);
        } catch (const file_error& caught) {
            throw file_error(where + ": " + caught.what());
        }
    }

    static data::tensor read_mask(const std::filesystem::path& path, const std::string& where, const data::tensor& image) {
        data::tensor mask = read_at(path, where);
        if (mask.shape() != image.shape()) {
            throw shape_mismatch(where + ": mask " + path.string(),
                                 "the size of its image, " + data::to_string(data::shape_of(image)),
                                 data::to_string(data::shape_of(mask)));
        }
        const float half = *std::max_element(mask.data(), mask.data() + mask.size()) / 2;
        for (std::size_t i = 0; i < mask.size(); ++i) mask.data()[i] = mask.data()[i] > half ? 1.0f : 0.0f;
        return mask;
    }

    manifest_columns columns_;
    std::vector<row> rows_;
};

} // namespace umsrep::io
