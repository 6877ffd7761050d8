// SPDX-License-Identifier: MIT
#include "options.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <thread>

#include <CLI/CLI.hpp>
#include <device/device.hpp>
#include <umsrep/core/error.hpp>

#include "session.hpp"

namespace xray {

namespace {

constexpr const char* introduction =
    "One network with three tasks on chest X-rays: denoising, lungs, finding (normal, bacterial or viral pneumonia).\n"
    "For research and teaching: nothing that it prints is a clinical finding.";

constexpr const char* examples =
    "\nExamples:\n"
    "  xray train --out run                                            simulated images, one to three minutes\n"
    "  xray train --findings kermany --lungs cxr/manifest.csv --size 128 --epochs 10 --batch 16 --out run\n"
    "  xray train --resume run                                         goes on where a run was stopped\n"
    "  xray evaluate --model run/model.safetensors --findings kermany --split test --out test.json\n"
    "  xray predict --model run/model.safetensors a.png b.jpeg --out predicted\n";

const CLI::Validator image_size{[](std::string& text) {
    const int size = std::atoi(text.c_str());
    const bool fits = size >= 32 && size <= 1024 && size % size_multiple == 0;
    return fits ? std::string{} : "expected a multiple of " + std::to_string(size_multiple) + " from 32 to 1024, got " + text;
}, "SIZE"};

/// CLI11 takes "-1" as 2^64 - 1.
const CLI::Validator seed_number{[](std::string& text) {
    std::uint64_t seed = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seed);
    const bool whole = failure == std::errc{} && end == text.data() + text.size();
    return whole ? std::string{} : "expected a whole number from 0 to 2^64 - 1, got " + text;
}, ""};

/// CLI11's ranges let NaN through, for no comparison with it is true.
const CLI::Validator no_nan{[](std::string& text) {
    return std::isnan(std::strtod(text.c_str(), nullptr)) ? "expected a number, got " + text : std::string{};
}, ""};

void add_data(CLI::App& app, data_options& data) {
    app.add_option("--findings", data.findings, "Folder {train,val,test}/{NORMAL,PNEUMONIA} as published by Kermany et al.")->type_name("DIR");
    app.add_option("--lungs", data.lungs, "Manifest with columns file, mask, dataset, split; a row without mask teaches denoising only")
        ->type_name("CSV");
    app.add_option("--simulated", data.simulated, "Training images to simulate when neither is given")
        ->check(CLI::Range(6, 1000000))->capture_default_str();
}

void add_threads(CLI::App& app, int& threads) {
    threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    app.add_option("--threads", threads, "Threads that compute; results do not depend on them")->check(CLI::Range(1, 1024))->capture_default_str();
}

void add_device(CLI::App& app, std::string& name, std::string& plans) {
    app.add_option("--device", name, device::help)->check(CLI::IsMember(device::names))->capture_default_str();
    app.add_option("--plans", plans, device::plans_help)->check(CLI::IsMember(device::plan_names))->capture_default_str();
}

void add_noise(CLI::App& app, double& noise) {
    app.add_option("--noise", noise, "Standard deviation of the Gaussian noise to remove; images are in [0, 1]")
        ->check(no_nan)->check(CLI::Range(0.001, 1.0))->capture_default_str();
}

void describe(CLI::App& app, train_options& o) {
    add_data(app, o.data);
    app.add_option("--size", o.size, "Height and width that images are resized to")->check(image_size)->capture_default_str();
    app.add_option("--strategy", o.strategy, "Which tasks step together: joint, alternating, independent, separate")
        ->check(CLI::IsMember(strategy_names))->capture_default_str();
    app.add_option("--encoder", o.encoder, "What of the encoder trains: all, frozen, last1 ... last4")
        ->check(CLI::IsMember(encoder_names))->capture_default_str();
    app.add_option("--init", o.init, "Weights (safetensors) that the encoder starts from")->type_name("FILE");
    app.add_option("--epochs", o.epochs, "Passes over the training images")->check(CLI::Range(1, 100000))->capture_default_str();
    app.add_option("--batch", o.batch, "Images per step")->check(CLI::Range(4, 1024))->capture_default_str();
    app.add_option("--learning-rate", o.learning_rate, "Of AdamW, with warm-up and cosine")
        ->check(no_nan)->check(CLI::Range(1e-7, 1.0))->capture_default_str();
    app.add_option("--head-weights", o.head_weights, "Weights of the losses of denoise, lungs, finding")
        ->expected(3)->delimiter(',')->check(no_nan)->check(CLI::Range(0.0, 1e6))->capture_default_str();
    add_noise(app, o.noise);
    app.add_option("--seed", o.seed, "Of weights, order, augmentation and dropout")->check(seed_number)->capture_default_str();
    add_device(app, o.device, o.plans);
    add_threads(app, o.threads);
    app.add_option("--checkpoint-every", o.checkpoint_every, "Batches between checkpoints; also after every epoch")
        ->check(CLI::Range(1, 1000000))->capture_default_str();
    auto* out = app.add_option("--out", o.out, "Folder of the run: model.safetensors, metrics.json, history.csv, panel.png")->type_name("RUN");
    auto* resume = app.add_option("--resume", o.resume, "Folder of a run that was stopped; its own options hold")->type_name("RUN");
    out->excludes(resume);
    app.add_flag("--force", o.force, "Overwrite a run")->excludes(resume);
}

void describe(CLI::App& app, evaluate_options& o) {
    app.add_option("--model", o.model, "A run's model.safetensors")->required()->type_name("FILE");
    add_data(app, o.data);
    app.add_option("--split", o.split, "train, val or test")->check(CLI::IsMember({"train", "val", "test"}))->capture_default_str();
    add_noise(app, o.noise);
    app.add_option("--out", o.out, "Metrics are written here as well (JSON)")->type_name("FILE");
    app.add_option("--panel", o.panel, "A picture of some results (PNG)")->type_name("FILE");
    add_device(app, o.device, o.plans);
    add_threads(app, o.threads);
}

void describe(CLI::App& app, predict_options& o) {
    app.add_option("--model", o.model, "A run's model.safetensors")->required()->type_name("FILE");
    app.add_option("images", o.images, "PNG or JPEG files of any size")->required()->type_name("IMAGE");
    app.add_option("--out", o.out, "Folder for NAME.denoised.png, NAME.lungs.png, NAME.overlay.png, NAME.json")->required()->type_name("DIR");
    add_device(app, o.device, o.plans);
    add_threads(app, o.threads);
}

/// Names every field that is kept once, for writing and reading alike.
template <class Options, class Field>
void for_each_field(Options& o, Field field) {
    field("findings", o.data.findings);
    field("lungs", o.data.lungs);
    field("simulated", o.data.simulated);
    field("size", o.size);
    field("strategy", o.strategy);
    field("encoder", o.encoder);
    field("init", o.init);
    field("epochs", o.epochs);
    field("batch", o.batch);
    field("learning_rate", o.learning_rate);
    field("head_weights", o.head_weights);
    field("noise", o.noise);
    field("seed", o.seed);
    field("checkpoint_every", o.checkpoint_every);
}

} // namespace

nlohmann::ordered_json train_options::to_json() const {
    nlohmann::ordered_json json;
    for_each_field(*this, [&](const char* name, const auto& value) { json[name] = value; });
    if (device != "cpu") json["device"] = device; // runs of earlier versions have none
    if (plans != "measured") json["plans"] = plans;
    return json;
}

train_options train_options::from_json(const nlohmann::ordered_json& json, const std::string& file) {
    train_options o;
    try {
        for_each_field(o, [&](const char* name, auto& value) { json.at(name).get_to(value); });
        if (json.contains("device")) json.at("device").get_to(o.device);
        if (json.contains("plans")) json.at("plans").get_to(o.plans);
    } catch (const nlohmann::json::exception&) {
        throw umsrep::file_error(file, "the options of a run of xray train", "something else");
    }
    return o;
}

const std::string& utf8(const std::string& text, const std::string& entity) {
    try {
        static_cast<void>(nlohmann::json(text).dump());
    } catch (const nlohmann::json::exception&) {
        throw umsrep::option_error(entity, "a name in UTF-8", "other bytes");
    }
    return text;
}

command parse(int argc, const char* const* argv) {
    CLI::App app{introduction, "xray"};
    app.footer(examples);
    app.require_subcommand(1);
    train_options t;
    evaluate_options e;
    predict_options p;
    CLI::App* train = app.add_subcommand("train", "Train a network and evaluate it on the test images");
    CLI::App* evaluate = app.add_subcommand("evaluate", "Measure a trained network on labelled images");
    CLI::App* predict = app.add_subcommand("predict", "Apply a trained network to images");
    describe(*train, t);
    describe(*evaluate, e);
    describe(*predict, p);
    app.set_version_flag("--version", "xray " XRAY_VERSION);
    try {
        const auto named = [&](const CLI::App* one) { return one->get_name() == argv[1]; };
        if (argc > 1 && argv[1][0] != '-' && std::ranges::none_of(std::array{train, evaluate, predict}, named))
            throw CLI::ParseError("'" + std::string{argv[1]} + "': expected train, evaluate or predict", CLI::ExitCodes::ExtrasError);
        app.parse(argc, argv);
        if (*train && t.out.empty() && t.resume.empty()) throw CLI::RequiredError("--out or --resume");
        if (std::ranges::all_of(t.head_weights, [](double w) { return w == 0; }))
            throw CLI::ValidationError("--head-weights", "expected one above 0 at least, got zeros");
        if (*train && !t.resume.empty())
            for (const CLI::Option* option : train->get_options())
                if (!option->empty() && !option->check_lname("resume") && !option->check_lname("threads"))
                    throw CLI::ExcludesError("--resume", option->get_name());
    } catch (const CLI::CallForHelp&) {
        return help{app.help()};
    } catch (const CLI::CallForVersion& version) {
        return help{std::string{version.what()} + '\n'};
    } catch (const CLI::ParseError& error) {
        std::string message = error.what();
        std::ranges::replace(message, '\n', ' ');
        throw usage_error{message};
    }
    if (*train) return t;
    if (*evaluate) return e;
    return p;
}

} // namespace xray
