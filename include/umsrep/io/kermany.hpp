// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/data/sample.hpp>
#include <umsrep/io/csv.hpp>
#include <umsrep/io/image.hpp>

namespace umsrep::io {

struct kermany_options {
    std::string head = "finding";
    /// Class index = place in this list. Images of a class that is left out are left out: {"normal", "bacterial"} is a task of two.
    std::vector<std::string> classes = {"normal", "bacterial", "viral"};
    std::string group = "kermany";
    std::size_t smallest_validation = 50; ///< images; a smaller val split joins train and is replaced by a part of both
    float validation_part = 0.1f;         ///< of the patients
    seed random{0};                       ///< decides which patients
};

/// Paediatric chest X-rays in the layout of Kermany, Zhang, Goldbaum (Mendeley Data rscbjbr9sj, 2018):
/// FOLDER/{train,val,test}/{NORMAL,PNEUMONIA}/*.jpeg, with person1_bacteria_2.jpeg or person1_virus_2.jpeg in PNEUMONIA.
/// FOLDER/manifest.csv (columns file, patient, label, split) has the say when it is there. The published val folder holds 16
/// images; such a small one is replaced by a split by patient. Images are (1, H, W), as large as stored.
///
/// Throws file_error (no such folder, another layout, a file of the manifest is missing, an empty split), label_error (a file
/// name or manifest row without a known class), option_error (an unknown split or class).
class kermany {
public:
    kermany(const std::filesystem::path& folder, const std::string& split, kermany_options options = {})
        : folder_{folder}, options_{std::move(options)} {
        for (const std::string& name : options_.classes) {
            if (std::ranges::find(known_classes, name) == known_classes.end()) {
                throw option_error("kermany: classes", "normal, bacterial, viral", name);
            }
        }
        if (std::ranges::find(splits, split) == splits.end()) throw option_error("kermany: split", "train, val or test", split);

        std::error_code ignored;
        if (!std::filesystem::is_directory(folder, ignored)) throw file_error(folder.string() + ": no such folder");
        pictures_ = std::filesystem::exists(folder / "manifest.csv", ignored) ? from_manifest() : from_folders();
        std::ranges::sort(pictures_, {}, &picture::file);
        make_validation();
        std::erase_if(pictures_, [&](const picture& p) { return p.split != split || class_index(p.label) < 0; });
        if (pictures_.empty()) throw file_error(folder.string(), "images of split '" + split + "'", "none");
    }

    std::size_t size() const { return pictures_.size(); }

    data::sample get(std::size_t index, random_stream&) const {
        const picture& p = pictures_.at(index);
        data::sample s;
        s.id = p.file;
        s.group = options_.group;
        s.image = read_image(folder_ / p.file);
        s.set(options_.head, static_cast<float>(class_index(p.label)));
        return s;
    }

    /// Images per class, for class weights.
    std::vector<std::size_t> class_counts() const {
        std::vector<std::size_t> counts(options_.classes.size());
        for (const picture& p : pictures_) ++counts[static_cast<std::size_t>(class_index(p.label))];
        return counts;
    }

    const std::string& patient(std::size_t index) const { return pictures_.at(index).patient; }

private:
    struct picture {
        std::string file, patient, label, split;
    };

    static constexpr std::array<std::string_view, 3> known_classes{"normal", "bacterial", "viral"};
    static constexpr std::array<std::string_view, 3> splits{"train", "val", "test"};

    std::ptrdiff_t class_index(std::string_view label) const {
        const auto found = std::ranges::find(options_.classes, label);
        return found == options_.classes.end() ? -1 : found - options_.classes.begin();
    }

    std::vector<picture> from_manifest() const {
        const csv table = csv::read(folder_ / "manifest.csv");
        const std::size_t file = table.column("file"), patient = table.column("patient"), label = table.column("label"),
                          split = table.column("split");
        std::vector<picture> result;
        for (std::size_t r = 0; r < table.rows(); ++r) {
            picture p{table.at(r, file), table.at(r, patient), table.at(r, label), table.at(r, split)};
            if (std::ranges::find(known_classes, p.label) == known_classes.end()) {
                throw label_error(table.where_row(r), "label normal, bacterial or viral", "'" + p.label + "'");
            }
            std::error_code ignored;
            if (!std::filesystem::is_regular_file(folder_ / p.file, ignored)) {
                throw file_error(table.where_row(r) + ": " + (folder_ / p.file).string() + ": no such file");
            }
            result.push_back(std::move(p));
        }
        return result;
    }

    std::vector<picture> from_folders() const {
        namespace fs = std::filesystem;
        std::vector<picture> result;
        for (const std::string_view split : splits) {
            for (const char* finding : {"NORMAL", "PNEUMONIA"}) {
                const fs::path inside = fs::path{split} / finding;
                std::error_code failure;
                if (!fs::is_directory(folder_ / inside, failure)) continue;
                for (const fs::directory_entry& entry : fs::directory_iterator(folder_ / inside)) {
                    const std::string extension = entry.path().extension().string();
                    if (extension != ".jpeg" && extension != ".jpg" && extension != ".png") continue;
                    const std::string name = entry.path().filename().string();
                    result.push_back({(inside / name).generic_string(), patient_of(name),
                                      label_of(entry.path(), finding == std::string_view{"NORMAL"}), std::string{split}});
                }
            }
        }
        if (result.empty()) {
            throw file_error(folder_.string(), "train, val or test with images in NORMAL and PNEUMONIA, or a manifest.csv",
                             "neither");
        }
        return result;
    }

    static std::string label_of(const std::filesystem::path& file, bool normal) {
        if (normal) return "normal";
        const std::string name = file.filename().string();
        if (name.find("_bacteria_") != std::string::npos) return "bacterial";
        if (name.find("_virus_") != std::string::npos) return "viral";
        throw label_error(file.string(), "a name with _bacteria_ or _virus_", name);
    }

    /// "person12" of person12_virus_3.jpeg, "IM-0115" of IM-0115-0001.jpeg, "NORMAL2-IM-1427" of NORMAL2-IM-1427-0001.jpeg.
    static std::string patient_of(const std::string& name) {
        if (name.starts_with("person")) return name.substr(0, name.find('_'));
        return name.substr(0, name.find_last_of('-'));
    }

    void make_validation() {
        const auto count = std::ranges::count(pictures_, "val", &picture::split);
        if (static_cast<std::size_t>(count) >= options_.smallest_validation) return;
        std::set<std::string> known;
        for (const picture& p : pictures_) {
            if (p.split != "test") known.insert(p.patient);
        }
        std::vector<std::string> patients(known.begin(), known.end());
        random_stream random{options_.random, "kermany validation"};
        shuffle(patients, random);
        patients.resize(static_cast<std::size_t>(std::ceil(options_.validation_part * static_cast<float>(patients.size()))));
        const std::set<std::string> chosen(patients.begin(), patients.end());
        for (picture& p : pictures_) {
            if (p.split != "test") p.split = chosen.contains(p.patient) ? "val" : "train";
        }
    }

    std::filesystem::path folder_;
    kermany_options options_;
    std::vector<picture> pictures_;
};

} // namespace umsrep::io
