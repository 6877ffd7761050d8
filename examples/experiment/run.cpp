// SPDX-License-Identifier: MIT
#include "run.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include <umsrep/core/error.hpp>
#include <umsrep/core/version.hpp>
#include <umsrep/io/image.hpp>
#include <umsrep/io/kermany.hpp>
#include <umsrep/report/progress.hpp>

#include "panel.hpp"
#include "result_folder.hpp"
#include "score.hpp"
#include "width.hpp"

namespace experiment {

namespace {

using json = nlohmann::ordered_json;

/// Raised whenever networks or training change: runs of two protocols cannot be compared.
constexpr int protocol = 3;

std::string_view name_of(modality m) { return m == modality::cxr ? "cxr" : "echo"; }

std::vector<family> chosen_families(const std::vector<std::string>& names) {
    std::vector<family> result;
    for (const family& f : families())
        if (std::ranges::find(names, f.name) != names.end()) result.push_back(f);
    return result;
}

/// "" where it is not a finite number.
std::string text(double value) {
    if (!std::isfinite(value)) return "";
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.9g", value);
    return digits;
}

std::string processor() {
    std::ifstream info{"/proc/cpuinfo"};
    for (std::string line; std::getline(info, line);)
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    return "unknown";
}

json describe(const schedule& s) {
    return {{"epochs", s.epochs}, {"patience", s.patience}, {"batch", s.batch}, {"learning_rate", s.learning_rate},
            {"images_per_epoch", s.images_per_epoch}};
}

json describe(const run_options& o, const std::vector<family>& asked, const std::vector<arm>& arms) {
    json j;
    const auto stored = [](const std::filesystem::path& path) { // without what the user's folders are called
        return (path.filename().empty() ? path.parent_path() : path).filename();
    };
    std::vector<std::string> modalities;
    for (const family& f : asked)
        if (const std::string m{name_of(f.images)}; std::ranges::find(modalities, m) == modalities.end()) modalities.push_back(m);
    j["modality"] = modalities;
    for (const family& f : asked) j["family"].push_back(f.name);
    for (const arm& a : arms) j["arms"].push_back(a.name);
    j["labels"] = o.labels;
    for (int s = 1; s <= o.seeds; ++s) j["seeds"].push_back(s);
    j["size"] = o.data.size;
    j["width"] = encoder_width;
    j["fine_tuning"] = describe(o.tuning);
    j["pretraining"] = describe(o.pretraining);
    j["pretraining"].erase("images_per_epoch"); // every image once
    j["data"] = {{"findings", o.data.findings.empty() ? "simulated" : stored(o.data.findings).string()},
                 {"lungs", o.data.lungs.empty() ? (o.data.findings.empty() ? "simulated" : "none") : stored(o.data.lungs).string()},
                 {"echo", "simulated"},
                 {"simulated_training_images", o.data.simulated}};
    j["version"] = umsrep::library_version;
    j["protocol"] = protocol;
    j["machine"] = {{"processor", processor()}, {"threads", o.threads}};
    return j;
}

/// One combination that is asked for.
struct planned {
    std::size_t family;
    const arm* what;
    int labels, seed;
    std::string name; ///< "cxr-homogeneous/joint-all/n100/s1"
};

std::vector<planned> plan(const run_options& o, const std::vector<family>& asked, const std::vector<arm>& arms) {
    std::vector<planned> result;
    for (std::size_t f = 0; f < asked.size(); ++f)
        for (int seed = 1; seed <= o.seeds; ++seed)
            for (const int labels : o.labels)
                for (const arm& a : arms)
                    result.push_back({f, &a, labels, seed,
                                      asked[f].name + "/" + a.name + "/n" + std::to_string(labels) + "/s" + std::to_string(seed)});
    return result;
}

run_rows rows_of(const planned& p, const family& f, const splits& images, const outcome& done, const stage1& before) {
    const std::vector<std::string> head{p.name, f.name, p.what->name, std::to_string(p.labels), std::to_string(p.seed)};
    const auto row = [&](std::vector<std::string> rest) {
        rest.insert(rest.begin(), head.begin(), head.end());
        return rest;
    };
    run_rows result;
    const scores test = score(f, images.test, done.test), valid = score(f, images.valid, done.valid);
    for (const figure& g : test.figures) result.results.push_back(row({g.task, g.metric, text(g.value), std::to_string(g.count)}));
    if (!images.shifted.empty())
        for (const figure& g : score(f, images.shifted, done.shifted).figures)
            result.results.push_back(row({g.task, "shifted_" + g.metric, text(g.value), std::to_string(g.count)}));
    for (const prediction& q : test.predictions)
        result.predictions.push_back({q.task, q.id, q.patient, q.truth ? std::to_string(*q.truth) : "", text(q.score),
                                      q.predicted ? std::to_string(*q.predicted) : ""});
    const cost& c = done.spent;
    result.costs.push_back(row({text(before.seconds), text(c.seconds), std::to_string(c.epochs), std::to_string(c.macs_per_step),
                                text(c.macs_total), std::to_string(c.parameters), std::to_string(c.trained_parameters),
                                std::to_string(c.peak_bytes), text(c.latency_p50), text(c.latency_p95)}));
    for (const curve_point& e : done.curve) {
        const auto t = std::ranges::find(f.tasks, e.task, &task::name);
        result.curves.push_back({p.name, std::to_string(e.epoch), e.task, text(e.train_loss), text(e.valid_loss),
                                 e.kept ? text(valid.main_figure(*t)) : ""});
    }
    return result;
}

/// "accuracy .941 .902 .813 after 12 s": what a person wants to know when a run ends.
std::string summary(const planned& p, const family& f, const splits& images, const outcome& done) {
    const scores test = score(f, images.test, done.test);
    std::string line = p.name + ":";
    for (const task& t : f.tasks) {
        char value[48];
        std::snprintf(value, sizeof value, " %.3f", test.main_figure(t));
        line += " " + t.name + value;
    }
    return line + "; trained in " + umsrep::report::duration(done.spent.seconds);
}

/// A patient in two splits would make test figures too good. A manifest says who patients are, so that is refused; names of files may give
/// one number to two people, so that is only told.
void check_patients(const splits& images, const data_options& o, umsrep::report::progress& bar) {
    std::map<std::pair<std::string, std::string>, const std::vector<item>*> seen; // group and patient
    std::size_t shared = 0;
    std::string one;
    for (const std::vector<item>* part : {&images.train, &images.valid, &images.test})
        for (const item& i : *part) {
            const auto [found, is_new] = seen.try_emplace({i.sample.group, i.patient}, part);
            if (is_new || found->second == part) continue;
            found->second = part;
            ++shared;
            one = i.patient;
            const bool by_name =
                i.sample.group == umsrep::io::kermany_options{}.group && !std::filesystem::exists(o.findings / "manifest.csv");
            if (!by_name) throw umsrep::label_error("patient '" + i.patient + "' of " + i.sample.id, "one split", "two");
        }
    if (shared > 0)
        bar.note("note: " + std::to_string(shared) + " patients, by the names of files, are in two splits, such as '" + one +
                 "': where these are the same people, test figures are too good");
}

/// Images and encoders, made when they are asked for first.
class material {
public:
    material(const run_options& o, const result_folder& folder, umsrep::report::progress& bar) : options_{o}, folder_{folder}, bar_{bar} {}

    const splits& images(modality m) {
        const auto [found, is_new] = images_.try_emplace(m);
        if (!is_new) return found->second;
        bar_.note("reading images: " + std::string{name_of(m)});
        splits& read = found->second = read_images(m, options_.data);
        check_patients(read, options_.data, bar_);
        bar_.note(std::to_string(read.train.size()) + " to train, " + std::to_string(read.valid.size()) + " to validate, " +
                  std::to_string(read.test.size()) + " to test");
        return read;
    }

    const splits& images(const family& f) {
        auto found = seen_by_.find(f.name);
        if (found == seen_by_.end()) found = seen_by_.emplace(f.name, images_of(f, images(f.images), options_.data)).first;
        return found->second;
    }

    /// Stage 1 of a modality; trains it unless the folder has it.
    std::pair<std::filesystem::path, stage1> encoder(modality m, int seed) {
        const auto file = folder_.encoder(std::string{name_of(m)}, seed);
        const auto key = std::pair{m, seed};
        if (const auto found = learnt_.find(key); found != learnt_.end()) return {file, found->second};
        const std::string name = "stage 1 of " + std::string{name_of(m)} + ", seed " + std::to_string(seed);
        const auto shown = [&](const umsrep::epoch_record& r) {
            bar_.advance(0, {{name + ": epoch " + std::to_string(r.epoch) + ", validation", r.monitor}});
        };
        const stage1 spent = learn_encoder(m == modality::cxr ? "CXR" : "Echo", images(m), file, static_cast<std::uint64_t>(seed),
                                           options_.threads, options_.pretraining, shown);
        bar_.note(name + ": trained in " + umsrep::report::duration(spent.seconds));
        return {file, learnt_[key] = spent};
    }

private:
    const run_options& options_;
    const result_folder& folder_;
    umsrep::report::progress& bar_;
    std::map<modality, splits> images_;
    std::map<std::string, splits> seen_by_;
    std::map<std::pair<modality, int>, stage1> learnt_;
};

/// Whether there are as many labelled images as the largest budget asks for. Masks are rare: fewer of them are said, not refused.
void check_budgets(const family& f, const splits& images, const run_options& o, umsrep::report::progress& bar) {
    const int most = *std::ranges::max_element(o.labels);
    const auto drawn = draw_labelled(f, images.train, most, 1);
    for (const task& t : f.tasks) {
        const auto labelled = std::ranges::count_if(drawn, [&](const auto& s) { return s.find(t.name) != nullptr; });
        if (labelled >= most) continue;
        const std::string what = std::to_string(labelled) + " labelled training images for " + std::to_string(most) + " asked for";
        if (t.kind != task_kind::segmentation) throw umsrep::label_error(f.name + ": " + t.name + ": " + what);
        bar.note("note: " + f.name + ": " + t.name + ": " + what);
    }
}

/// Folders are known by their last name only; how many images there are tells most others apart. Those of a folder begun before this was
/// noted are taken as they are.
void note_images(json& settings, modality m, const splits& images, const std::filesystem::path& folder) {
    const std::string counts = std::to_string(images.train.size()) + " to train, " + std::to_string(images.valid.size()) +
                               " to validate, " + std::to_string(images.test.size()) + " to test";
    json& was = settings["images"][std::string{name_of(m)}];
    if (!was.is_null() && was != counts)
        throw umsrep::option_error((folder / "experiment.json").string() + ": images of " + std::string{name_of(m)},
                                   was.dump() + ", as the folder was begun", json(counts).dump() + "; take another --out");
    was = counts;
}

modality other(modality m) { return m == modality::cxr ? modality::echo : modality::cxr; }

/// What arms share, so that they can be compared: images with labels, order, seeds.
job job_of(const planned& p, const family& f, const splits& images, const run_options& o) {
    job j;
    j.what = *p.what;
    for (const task& t : f.tasks) j.loss_weights.push_back(t.weight);
    j.labelled = draw_labelled(f, images.train, p.labels, static_cast<std::uint64_t>(p.seed));
    j.images = &images;
    j.quality = [&](int t, const xt::xtensor<float, 4>& predicted) {
        return quality(f.tasks[static_cast<std::size_t>(t)], images.valid, predicted);
    };
    j.seed = static_cast<std::uint64_t>(p.seed);
    j.threads = o.threads;
    j.how = o.tuning;
    return j;
}

} // namespace

outcome run(const family& f, const job& j) {
    if (f.name == "cxr-homogeneous") return run_cxr_homogeneous(j);
    if (f.name == "cxr-heterogeneous") return run_cxr_heterogeneous(j);
    return run_echo_heterogeneous(j);
}

void run(const run_options& given) {
    run_options o = given;
    o.labels.clear();
    for (const int labels : given.labels) // each budget once
        if (std::ranges::find(o.labels, labels) == o.labels.end()) o.labels.push_back(labels);
    const std::vector<family> asked = chosen_families(o.families);
    const std::vector<arm> arms = arms_of(o.arms);
    const std::vector<planned> all = plan(o, asked, arms);
    const bool asks_for_masks = std::ranges::find(o.families, "cxr-heterogeneous") != o.families.end();
    if (asks_for_masks && !o.data.findings.empty() && o.data.lungs.empty())
        throw umsrep::option_error("cxr-heterogeneous", "--lungs beside --findings", "no masks; or leave it out: --family homogeneous");
    result_folder folder{o.out};
    json settings = folder.united(describe(o, asked, arms));

    const auto done = static_cast<std::size_t>(std::ranges::count_if(all, [&](const planned& p) { return folder.has(p.name); }));
    umsrep::report::progress bar{stderr, {.title = "experiment", .unit = "runs", .total = all.size(), .done = done}};
    bar.note(std::to_string(all.size()) + " runs, " + std::to_string(done) + " of them done before");
    material from{o, folder, bar};
    for (const family& f : asked) { // before anything is trained or said to be asked for
        check_budgets(f, from.images(f), o, bar);
        note_images(settings, f.images, from.images(f.images), o.out);
    }
    folder.begin(settings);
    for (const planned& p : all) {
        if (folder.has(p.name)) continue;
        const family& f = asked[p.family];
        const splits& images = from.images(f);
        job j = job_of(p, f, images, o);
        stage1 before;
        if (p.what->start != origin::scratch)
            std::tie(j.encoder, before) = from.encoder(p.what->start == origin::own_modality ? f.images : other(f.images), p.seed);
        j.on_epoch = [&](const umsrep::epoch_record& r, std::string_view task) {
            const std::string of_task = task.empty() ? "" : " " + std::string{task};
            bar.advance(0, {{p.name + of_task + ": epoch " + std::to_string(r.epoch) + ", validation", r.monitor}});
        };
        const outcome result = [&] {
            try {
                return run(f, j);
            } catch (const umsrep::error& wrong) {
                throw umsrep::error(p.name + ": " + wrong.what());
            }
        }();
        if (p.seed == 1) umsrep::io::write_png(folder.sample(p.name), panel(f, images.test, result.test).pixels());
        folder.add(p.name, rows_of(p, f, images, result, before));
        bar.note(summary(p, f, images, result));
        bar.advance(1);
    }
    bar.finish();
    std::cout << all.size() << " runs in " << o.out.string() << "; experiment report " << o.out.string() << " makes a page of them\n";
}

} // namespace experiment
