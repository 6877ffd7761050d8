// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <umsrep/core/random.hpp>
#include <umsrep/metric/classification.hpp>
#include <umsrep/metric/ranking.hpp>

/// Folders as `experiment run` leaves them, with invented results.
namespace umsrep::test::experiment_report {

namespace fs = std::filesystem;

struct invented_task {
    std::string family, name;
    int classes = 2; ///< 0: a segmentation, 1: denoising
};

inline const std::vector<invented_task> invented_tasks{
    {"cxr-homogeneous", "bacterial_vs_normal"}, {"cxr-homogeneous", "viral_vs_normal"}, {"cxr-homogeneous", "bacterial_vs_viral"},
    {"echo-heterogeneous", "envelope", 0},      {"echo-heterogeneous", "quality", 2},   {"echo-heterogeneous", "flow", 4},
    {"cxr-heterogeneous", "lungs", 0},          {"cxr-heterogeneous", "finding", 3},    {"cxr-heterogeneous", "denoise", 1}};

/// What is true in the invented world.
struct world {
    std::vector<std::string> families{"cxr-homogeneous", "echo-heterogeneous"};
    std::vector<std::string> arms{"separate", "independent-all", "alternating-all", "joint-all", "joint-frozen", "joint-scratch"};
    std::vector<int> labels{30, 300};
    int seeds = 3, patients = 100;
    /// The chance to be right on an image, or the IoU of an average one.
    std::function<double(const invented_task&, const std::string& arm, int labels)> quality;
    std::function<double(const std::string& arm)> seconds = [](const std::string& arm) {
        return arm == "separate" ? 300.0 : arm == "joint-frozen" ? 30.0 : arm.starts_with("joint") ? 100.0 : 290.0;
    };
};

/// Pre-training helps, and the strategies are in the paper's order.
inline double as_in_the_paper(const invented_task& task, const std::string& arm, int labels) {
    double value = labels <= 100 ? 0.65 : 0.78;
    if (arm == "separate" || arm == "joint-scratch") return value;
    value += labels <= 100 ? 0.17 : 0.13;
    const bool homogeneous = task.family == "cxr-homogeneous";
    if (arm.starts_with("joint")) value += homogeneous ? 0.05 : -0.04;
    if (arm.starts_with("alternating")) value += homogeneous ? 0.04 : -0.02;
    return value;
}

/// Pre-training harms, and the strategies are in the reverse order.
inline double contrary(const invented_task& task, const std::string& arm, int labels) { return 1.55 - as_in_the_paper(task, arm, labels); }

namespace detail {

inline std::string digits(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.17g", value);
    return text;
}

struct answers {
    std::string rows; ///< of the predictions file
    std::string results;
};

/// Each image has a difficulty that all arms share, so that their errors go together as those of real models do.
inline answers answer(const world& w, const invented_task& task, const std::string& arm, int labels, int seed_number,
                      const std::string& key) {
    answers out;
    metric::confusion_matrix counts{std::max(task.classes, 1)};
    std::vector<float> scores;
    std::vector<int> positive;
    double sum = 0;
    const int images = 2 * w.patients;
    const double quality = w.quality(task, arm, labels);
    for (int i = 0; i < images; ++i) {
        random_stream image{seed{7}, task.family + task.name, static_cast<std::uint64_t>(i)};
        random_stream own{seed{static_cast<std::uint64_t>(seed_number)}, key + task.name, static_cast<std::uint64_t>(i)};
        const double difficulty = image.uniform();
        const bool right = 0.7 * difficulty + 0.3 * own.uniform() < quality * 0.7 + 0.15;
        const std::string id = task.name + std::to_string(i), patient = "p" + std::to_string(i / 2);
        std::string truth, predicted;
        double score = 0;
        if (task.classes >= 2) {
            const int t = static_cast<int>(image.below(static_cast<std::uint32_t>(task.classes)));
            const int p = right ? t : (t + 1) % task.classes;
            counts.add(t, p);
            score = task.classes == 2 ? (p == 1 ? 0.5 : 0) + 0.5 * own.uniform() : 0.3 + 0.7 * own.uniform();
            scores.push_back(static_cast<float>(score));
            positive.push_back(t == 1);
            truth = std::to_string(t);
            predicted = std::to_string(p);
        } else {
            score = std::clamp(quality + 0.15 * (0.5 - difficulty) + 0.02 * own.normal(), 0.0, 1.0);
            if (task.classes == 1) score = 20 + 10 * score;
            sum += score;
        }
        out.rows += task.name + ',' + id + ',' + patient + ',' + truth + ',' + digits(score) + ',' + predicted + '\n';
    }
    const auto result = [&](const std::string& metric, double value) {
        out.results += key + ',' + task.family + ',' + arm + ',' + std::to_string(labels) + ',' + std::to_string(seed_number) + ',' +
                       task.name + ',' + metric + ',' + digits(value) + ',' + std::to_string(images) + '\n';
    };
    if (task.classes >= 2) {
        result("accuracy", metric::accuracy(counts));
        result("f1", metric::macro_f1(counts));
        result("mcc", metric::mcc(counts));
        if (task.classes == 2) result("auroc", metric::auroc(scores, positive));
    } else if (task.classes == 0) {
        result("iou", sum / images);
        if (task.name != "envelope") result("iou_per_image", sum / images);
        for (const char* name : {"dice", "dice_per_image"}) result(name, 2 * (sum / images) / (1 + sum / images));
        if (task.name == "envelope")
            for (const std::string prefix : {"", "shifted_"}) {
                result(prefix + "iou_per_image", sum / images);
                for (const std::string quantity : {"peak_velocity_", "vti_"}) {
                    result(prefix + quantity + "bias", 1.5);
                    result(prefix + quantity + "low", -6.0);
                    result(prefix + quantity + "high", 9.0);
                }
            }
    } else {
        result("psnr", sum / images);
        result("ssim", 0.9);
    }
    return out;
}

inline void write(const fs::path& file, const std::string& text) { std::ofstream{file} << text; }

} // namespace detail

inline void write_experiment(const fs::path& folder, const world& w) {
    fs::create_directories(folder / "predictions");
    std::string results = "run,family,arm,labels,seed,task,metric,value,count\n",
                curves = "run,epoch,task,train_loss,valid_loss,valid_metric\n";
    std::string costs =
        "run,family,arm,labels,seed,stage1_seconds,train_seconds,epochs,macs_per_step,macs_total,parameters,trained_parameters,peak_bytes,"
        "latency_p50_ms,latency_p95_ms\n";
    std::vector<int> seeds;
    for (int seed_number = 1; seed_number <= w.seeds; ++seed_number) seeds.push_back(seed_number);
    for (const std::string& family : w.families)
        for (const int labels : w.labels)
            for (const int seed_number : seeds)
                for (const std::string& arm : w.arms) {
                    const std::string key = family + "/" + arm + "/n" + std::to_string(labels) + "/s" + std::to_string(seed_number);
                    std::string predictions = "task,id,patient,truth,score,predicted\n";
                    for (const invented_task& task : invented_tasks) {
                        if (task.family != family) continue;
                        const detail::answers a = detail::answer(w, task, arm, labels, seed_number, key);
                        predictions += a.rows;
                        results += a.results;
                        for (int epoch = 1; epoch <= 2; ++epoch)
                            curves += key + ',' + std::to_string(epoch) + ',' + task.name + ",0.5,0.4," +
                                      (epoch == 2 ? detail::digits(w.quality(task, arm, labels)) : "") + "\n"; // the last is kept
                    }
                    const bool scratch = arm == "separate" || arm == "joint-scratch";
                    costs += key + ',' + family + ',' + arm + ',' + std::to_string(labels) + ',' + std::to_string(seed_number) + ',' +
                             (scratch ? "0" : "60") + ',' + detail::digits(w.seconds(arm) + seed_number) +
                             ",20,41500000,123456789000,620123,410456,88000000,3.25,4.5\n";
                    std::string file = key;
                    std::ranges::replace(file, '/', '_');
                    detail::write(folder / "predictions" / (file + ".csv"), predictions);
                }
    detail::write(folder / "results.csv", results);
    detail::write(folder / "costs.csv", costs);
    detail::write(folder / "curves.csv", curves);
    const nlohmann::ordered_json settings{{"version", "0.1.0"},
                                          {"family", w.families},
                                          {"arms", w.arms},
                                          {"labels", w.labels},
                                          {"seeds", seeds},
                                          {"size", 64},
                                          {"machine", {{"processor", "invented <processor> & co"}, {"threads", 2}}}};
    detail::write(folder / "experiment.json", settings.dump(1));
}

} // namespace umsrep::test::experiment_report
