// SPDX-License-Identifier: MIT
#include "data.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/core/thread_pool.hpp>
#include <umsrep/data/geometry.hpp>
#include <umsrep/data/noise.hpp>
#include <umsrep/data/sim/chest_xray_dataset.hpp>
#include <umsrep/data/sim/doppler_dataset.hpp>
#include <umsrep/io/csv.hpp>
#include <umsrep/io/kermany.hpp>
#include <umsrep/io/manifest.hpp>

namespace experiment {

namespace data = umsrep::data;
namespace sim = umsrep::sim;

namespace {

constexpr int findings_count = 3;                        ///< normal, bacterial, viral: also the strata of chest X-rays
constexpr int masked_stratum = findings_count;           ///< chest X-rays of a folder that have a mask and no finding
constexpr std::size_t most_validated = 600;
constexpr float folder_noise = 0.1f;                     ///< on images of folders, for the family that denoises

struct split_place {
    const char* name;
    std::size_t count;
    std::uint64_t first; ///< patient
};

/// Validation and test patients are others than those of the training, whatever their number.
std::array<split_place, 3> simulated_splits(std::size_t count) {
    constexpr std::uint64_t apart = std::uint64_t{1} << 32;
    const auto share = [&](std::size_t part) { return std::max<std::size_t>(count / part, 12); };
    return {{{"train", count, 0}, {"val", share(8), apart}, {"test", share(4), 2 * apart}}};
}

std::vector<item>& part_of(splits& all, std::string_view split) {
    return split == "train" ? all.train : split == "val" ? all.valid : all.test;
}

/// `make(i)` for every i below `count`; threads share the work.
template <class Make>
std::vector<item> make_items(std::size_t count, umsrep::thread_pool& pool, Make make) {
    std::vector<item> items(count);
    pool.run(static_cast<int>(count), [&](int i) { items[static_cast<std::size_t>(i)] = make(static_cast<std::size_t>(i)); });
    return items;
}

splits simulated_xrays(const data_options& o, umsrep::thread_pool& pool) {
    splits result;
    for (const auto& [name, count, first] : simulated_splits(o.simulated)) {
        const sim::chest_xray_dataset set{umsrep::seed{2021}, {.xray = {.size = o.size}, .count = count, .first = first}};
        part_of(result, name) = make_items(count, pool, [&set](std::size_t i) {
            umsrep::random_stream unused{umsrep::seed{0}};
            item made{set.get(i, unused), {}, static_cast<int>(set.kind(i))};
            made.patient = made.sample.id;
            return made;
        });
    }
    return result;
}

std::vector<item> spectrograms(const sim::doppler_dataset& set, umsrep::thread_pool& pool) {
    return make_items(set.size(), pool, [&set](std::size_t i) {
        umsrep::random_stream unused{umsrep::seed{0}};
        const auto truth = set.simulate(i);
        item made{set.get(i, unused), {}, static_cast<int>(truth.flow)};
        made.patient = made.sample.id;
        made.echo = echo_truth{truth.calibration, truth.flow, static_cast<double>(truth.peak_velocity), static_cast<double>(truth.vti),
                               static_cast<double>(truth.early_to_late)};
        return made;
    });
}

splits simulated_spectrograms(const data_options& o, umsrep::thread_pool& pool) {
    splits result;
    sim::doppler_dataset_options options;
    options.doppler.height = options.doppler.width = o.size;
    for (const auto& [name, count, first] : simulated_splits(o.simulated)) {
        options.count = count;
        options.first = first;
        part_of(result, name) = spectrograms({umsrep::seed{2021}, options}, pool);
    }
    options.doppler = umsrep::sim::shifted_domain(options.doppler); // which no network is trained on
    options.group = "shifted";
    result.shifted = spectrograms({umsrep::seed{2021}, options}, pool);
    return result;
}

/// Patients by file; a manifest without that column has one image of each.
std::map<std::string, std::string> patients_of(const std::filesystem::path& manifest) {
    const auto table = umsrep::io::csv::read(manifest);
    const std::size_t file = table.column("file");
    const auto patient = table.find_column("patient");
    std::map<std::string, std::string> result;
    for (std::size_t r = 0; r < table.rows(); ++r) result[table.at(r, file)] = table.at(r, patient.value_or(file));
    return result;
}

splits stored_xrays(const data_options& o, umsrep::thread_pool& pool) {
    splits result;
    for (const char* split : {"train", "val", "test"}) {
        const umsrep::io::kermany set{o.findings, split};
        part_of(result, split) = make_items(set.size(), pool, [&](std::size_t i) {
            umsrep::random_stream unused{umsrep::seed{0}};
            item made{set.get(i, unused), set.patient(i)};
            data::resize{o.size, o.size}(made.sample, unused);
            made.stratum = static_cast<int>(made.sample.find("finding")->value(0, 0, 0));
            return made;
        });
    }
    if (o.lungs.empty()) return result;
    const auto patients = patients_of(o.lungs);
    for (const char* split : {"train", "val", "test"}) {
        const umsrep::io::manifest set{o.lungs, split, {.masks = {{.head = "lungs"}}}};
        auto made = make_items(set.size(), pool, [&](std::size_t i) {
            umsrep::random_stream unused{umsrep::seed{0}};
            item one{set.get(i, unused), {}, masked_stratum};
            one.patient = patients.at(one.sample.id);
            data::resize{o.size, o.size}(one.sample, unused);
            return one;
        });
        std::ranges::move(made, std::back_inserter(part_of(result, split)));
    }
    return result;
}

/// Replaces the finding by the answers of three tasks; a task is silent on the class that it does not know.
void ask_homogeneous(item& i) {
    constexpr std::array<std::pair<const char*, std::array<int, 2>>, 3> questions{
        {{"bacterial_vs_normal", {0, 1}}, {"viral_vs_normal", {0, 2}}, {"bacterial_vs_viral", {2, 1}}}};
    i.sample.labels.clear();
    for (const auto& [name, classes] : questions)
        for (int k = 0; k < 2; ++k)
            if (i.stratum == classes[static_cast<std::size_t>(k)]) i.sample.set(name, static_cast<float>(k));
}

/// Noise that depends on the image's name alone; the image itself is the target where it is to be denoised.
void add_folder_noise(item& i) {
    umsrep::random_stream random{umsrep::seed{0}, i.sample.id};
    data::gaussian_noise{.sigma = folder_noise, .head = i.stratum == masked_stratum ? "" : "denoise"}(i.sample, random);
}

/// Indices of the items of each stratum in an order that is drawn.
std::map<int, std::vector<std::size_t>> shuffled_strata(const std::vector<item>& items, umsrep::seed s) {
    std::map<int, std::vector<std::size_t>> strata;
    for (std::size_t i = 0; i < items.size(); ++i) strata[items[i].stratum].push_back(i);
    for (auto& [stratum, indices] : strata) {
        umsrep::random_stream random{s, "labelled", static_cast<std::uint64_t>(stratum)};
        umsrep::shuffle(indices, random);
    }
    return strata;
}

void shorten(std::vector<item>& items) {
    if (items.size() <= most_validated) return;
    const auto strata = shuffled_strata(items, umsrep::seed{0});
    const std::size_t each = most_validated / strata.size();
    std::vector<item> kept;
    for (const auto& [stratum, indices] : strata)
        for (std::size_t k = 0; k < std::min(each, indices.size()); ++k) kept.push_back(std::move(items[indices[k]]));
    items = std::move(kept);
}

} // namespace

const std::vector<family>& families() {
    using enum task_kind;
    static const std::vector<family> all{
        {"cxr-homogeneous", modality::cxr, {{"bacterial_vs_normal"}, {"viral_vs_normal"}, {"bacterial_vs_viral"}}, false},
        {"cxr-heterogeneous", modality::cxr,
         {{"lungs", segmentation}, {"finding", classification, findings_count}, {"denoise", denoising, 0, 5}}},
        {"echo-heterogeneous", modality::echo,
         {{"envelope", segmentation}, {"quality"}, {"flow", classification, static_cast<int>(sim::doppler_flow_names.size())}}}};
    return all;
}

splits read_images(modality m, const data_options& o) {
    umsrep::thread_pool pool{o.threads};
    if (m == modality::echo) return simulated_spectrograms(o, pool);
    return o.findings.empty() ? simulated_xrays(o, pool) : stored_xrays(o, pool);
}

splits images_of(const family& f, splits images, const data_options& o) {
    const bool masks_apart = !o.lungs.empty() && f.images == modality::cxr;
    for (std::vector<item>* part : {&images.train, &images.valid, &images.test}) {
        if (!f.shares_images) {
            std::erase_if(*part, [](const item& i) { return i.stratum == masked_stratum; });
            for (item& i : *part) ask_homogeneous(i);
        } else if (f.images == modality::cxr && !o.findings.empty()) {
            for (item& i : *part) add_folder_noise(i);
        }
        const auto unasked = [&](const data::label& l) { return std::ranges::find(f.tasks, l.head, &task::name) == f.tasks.end(); };
        for (item& i : *part) std::erase_if(i.sample.labels, unasked); // only takes memory
        std::erase_if(*part, [](const item& i) { return i.sample.labels.empty(); });
        for (const task& t : f.tasks)
            if (std::ranges::none_of(*part, [&](const item& i) { return i.sample.find(t.name) != nullptr; }))
                throw umsrep::label_error(
                    f.name + ": task " + t.name, "labelled images in every split",
                    t.kind != task_kind::segmentation || masks_apart ? "none" : "none (--lungs gives masks)");
        for (const task& t : f.tasks) {
            if (t.kind != task_kind::classification || t.classes != 2) continue;
            std::set<float> classes;
            for (const item& i : *part)
                if (const data::label* l = i.sample.find(t.name)) classes.insert(l->value(0, 0, 0));
            if (classes.size() < 2)
                throw umsrep::label_error(f.name + ": task " + t.name, "images of both classes in every split", "one class");
        }
    }
    shorten(images.valid);
    return images;
}

std::vector<data::sample> draw_labelled(const family& f, const std::vector<item>& train, int labels, std::uint64_t seed) {
    const auto strata = shuffled_strata(train, umsrep::seed{seed});
    // Chest X-rays with masks are other images than those with findings, so they have a budget of their own.
    std::vector<std::vector<int>> groups{{}};
    for (const auto& [stratum, indices] : strata) {
        if (!f.shares_images || (f.images == modality::cxr && stratum == masked_stratum)) groups.push_back({stratum});
        else groups.front().push_back(stratum);
    }
    std::vector<data::sample> result;
    const auto budget = static_cast<std::size_t>(f.shares_images ? labels : (labels + 1) / 2); // a task asks for two strata
    for (const std::vector<int>& group : groups) {
        std::size_t taken = 0, passes = 0;
        for (bool any = !group.empty(); any && taken < budget; ++passes) {
            any = false;
            for (const int stratum : group) {
                const auto& indices = strata.at(stratum);
                if (taken == budget || passes >= indices.size()) continue;
                result.push_back(train[indices[passes]].sample);
                ++taken;
                any = true;
            }
        }
    }
    return result;
}

} // namespace experiment
