// SPDX-License-Identifier: MIT
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>

#include <umsrep/core/error.hpp>

#include "report.hpp"
#include "run.hpp"

namespace {

const CLI::Validator image_size{[](std::string& text) {
                                    int size = 0;
                                    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), size);
                                    const bool fits = failure == std::errc{} && end == text.data() + text.size() && size >= 32 &&
                                                      size <= 512 && size % 8 == 0;
                                    return fits ? std::string{} : "expected a multiple of 8 from 32 to 512, got " + text;
                                },
                                "SIZE"};

const CLI::Validator positive{[](std::string& text) { // CLI::PositiveNumber takes a NaN
                                  const double value = std::strtod(text.c_str(), nullptr);
                                  return value > 0 && std::isfinite(value) ? std::string{}
                                                                           : "expected a positive number, got " + text;
                              },
                              "POSITIVE"};

const CLI::Validator a_name{
    [](std::string& text) { return text.empty() ? std::string{"expected the name of a folder, got nothing"} : std::string{}; },
    ""};

int fail(std::string message) {
    for (char& c : message)
        if (c == '\n') c = ' ';
    std::cerr << "experiment: " << message << '\n';
    return 2;
}

/// What is asked by modality and kind, as families.
std::vector<std::string> chosen(const std::vector<std::string>& modalities, const std::vector<std::string>& kinds) {
    std::vector<std::string> result;
    const auto has = [](const std::vector<std::string>& list, const std::string& name) {
        return list.empty() || std::find(list.begin(), list.end(), name) != list.end();
    };
    for (const auto& f : experiment::families()) {
        const std::string image = f.name.substr(0, f.name.find('-')), kind = f.name.substr(f.name.find('-') + 1);
        if (has(modalities, image) && has(kinds, kind)) result.push_back(f.name);
    }
    if (result.empty())
        throw umsrep::option_error("--modality and --family", "cxr homogeneous, cxr heterogeneous or echo heterogeneous",
                                   "another combination");
    return result;
}

/// A profile for a first look. What is given on the command line stays.
void make_quick(const CLI::App& given, experiment::run_options& o) {
    const auto unless_given = [&](const char* name, auto& value, auto quick) {
        if (given.count(name) == 0) value = quick;
    };
    if (given.count("--family") == 0 && given.count("--modality") == 0) o.families = {"cxr-homogeneous", "echo-heterogeneous"};
    unless_given("--arms", o.arms, std::vector<std::string>{"paper", "joint-frozen", "joint-scratch"});
    unless_given("--labels", o.labels, std::vector<int>{30, 300});
    unless_given("--seeds", o.seeds, 1);
    unless_given("--epochs", o.tuning.epochs, 15);
    unless_given("--pretrain-epochs", o.pretraining.epochs, 10);
}

void add_run_options(CLI::App& app, experiment::run_options& o, std::vector<std::string>& modalities, std::vector<std::string>& kinds) {
    app.add_option("--out", o.out, "Folder for results; one that holds a part of the same experiment is gone on with")
        ->required()
        ->check(a_name)
        ->type_name("DIR");
    app.add_option("--modality", modalities, "cxr, echo; default: both")->check(CLI::IsMember({"cxr", "echo"}))->delimiter(',');
    app.add_option("--family", kinds, "homogeneous (chest X-rays only), heterogeneous; default: both")
        ->check(CLI::IsMember({"homogeneous", "heterogeneous"}))->delimiter(',');
    app.add_option("--arms", o.arms,
                   "What to compare, by name or group. paper: separate, independent-all, alternating-all, joint-all. controls: "
                   "separate-other (from the other modality's encoder), joint-scratch. frozen, tuning (last1, lpft, gradual): of each "
                   "strategy, as joint-frozen. balancing: joint-all-POLICY. all")
        ->delimiter(',')->capture_default_str();
    app.add_option("--labels", o.labels, "Labelled training images of each task")
        ->check(CLI::Range(6, 100000))->delimiter(',')->capture_default_str();
    app.add_option("--seeds", o.seeds, "Repetitions, with other labelled images, weights and order")
        ->check(CLI::Range(1, 1000))->capture_default_str();
    app.add_option("--findings", o.data.findings, "Chest X-rays in the layout of Kermany et al.; without it they are simulated")
        ->check(CLI::ExistingDirectory)->type_name("DIR");
    app.add_option("--lungs", o.data.lungs, "Chest X-rays with masks: a table with file, mask, split, patient. Needs --findings")
        ->check(CLI::ExistingFile)->needs("--findings")->type_name("CSV");
    app.add_option("--simulated", o.data.simulated, "Training images to simulate of each modality")
        ->check(CLI::Range(48, 1000000))->capture_default_str();
    app.add_option("--size", o.data.size, "Height and width that images are resized to")->check(image_size)->capture_default_str();
    app.add_option("--epochs", o.tuning.epochs, "Of fine-tuning, at most")->check(CLI::Range(1, 10000))->capture_default_str();
    app.add_option("--patience", o.tuning.patience, "Epochs without better validation figures before a run stops; 0: never")
        ->check(CLI::Range(0, 10000))->capture_default_str();
    app.add_option("--images-per-epoch", o.tuning.images_per_epoch, "At least; fewer labelled images come several times in an epoch")
        ->check(CLI::Range(1, 1000000))->capture_default_str();
    app.add_option("--pretrain-epochs", o.pretraining.epochs, "Of stage 1")->check(CLI::Range(1, 10000))->capture_default_str();
    app.add_option("--batch", o.tuning.batch, "Images in a batch")->check(CLI::Range(1, 1024))->capture_default_str();
    app.add_option("--learning-rate", o.tuning.learning_rate, "Of AdamW in fine-tuning, at its highest")
        ->check(positive)
        ->capture_default_str();
    app.add_option("--threads", o.threads, "Threads that compute; results do not depend on them")
        ->check(CLI::Range(1, 1024))->capture_default_str();
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"Compares ways to train several tasks on one modality: separate models, and one encoder learnt from images\n"
                 "without labels and fine-tuned independently, in turn or jointly.\n\n"
                 "  experiment run --quick --out results      simulated images, 64x64, one seed\n"
                 "  experiment report results                 a page with tables, curves and verdicts\n\n"
                 "For research: nothing that it prints is a clinical finding.",
                 "experiment"};
    app.require_subcommand(1);

    experiment::run_options o;
    std::vector<std::string> modalities, kinds;
    bool quick = false;
    auto* run = app.add_subcommand("run", "Train and measure every arm; stopped at any time, the same command goes on");
    add_run_options(*run, o, modalities, kinds);
    run->add_flag("--quick", quick,
                  "cxr-homogeneous and echo-heterogeneous, 30 and 300 labels, one seed, fewer epochs, the paper's arms, joint-frozen, "
                  "joint-scratch");

    experiment::report_options r;
    auto* report = app.add_subcommand("report", "Write report.html into the folder of a run");
    report->add_option("folder", r.folder, "Folder that experiment run wrote")->required()->type_name("DIR");
    report->add_option("--resamples", r.resamples, "Of each bootstrap")->check(CLI::Range(100, 10000000))->capture_default_str();
    report->add_option("--seed", r.seed, "Of the bootstraps")->capture_default_str();

    try {
        app.parse(argc, argv);
        if (*report) return experiment::report(r);
        o.families = chosen(modalities, kinds);
        if (quick) make_quick(*run, o);
        o.data.threads = o.threads;
        o.pretraining.batch = o.tuning.batch;
        experiment::run(o);
        std::cout.flush();
        return std::cout ? 0 : fail("standard output: cannot be written");
    } catch (const CLI::CallForHelp&) {
        std::cout << app.help();
        return 0;
    } catch (const CLI::ParseError& wrong) {
        return fail(std::string{wrong.what()} + " (experiment --help)");
    } catch (const std::exception& wrong) {
        return fail(wrong.what());
    }
}
