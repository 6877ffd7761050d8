// SPDX-License-Identifier: MIT
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include <CLI/CLI.hpp>
#include <device/device.hpp>

#include "commands.hpp"

namespace {

const CLI::Validator image_size{[](std::string& text) {
    const int size = std::atoi(text.c_str());
    const bool fits = size >= 32 && size <= 1024 && size % doppler::size_multiple == 0;
    return fits ? std::string{} : "expected a multiple of " + std::to_string(doppler::size_multiple) + " from 32 to 1024, got " + text;
}, "SIZE"};

void add_data(CLI::App& app, doppler::data_options& data) {
    app.add_option("--data", data.folder, "Folder of spectrograms with calibration.csv, which has a column split: train, val, test")
        ->type_name("DIR");
    app.add_option("--simulated", data.simulated, "Training images to simulate without --data")
        ->check(CLI::Range(32, 1000000))->capture_default_str();
}

void add_computing(CLI::App& app, std::string& device_name, std::string& plans, int& threads) {
    app.add_option("--device", device_name, device::help)->check(CLI::IsMember(device::names))->capture_default_str();
    app.add_option("--plans", plans, device::plans_help)->check(CLI::IsMember(device::plan_names))->capture_default_str();
    app.add_option("--threads", threads, "Threads that compute; results do not depend on them")
        ->check(CLI::Range(1, 1024))->capture_default_str();
}

int fail(std::string message) {
    for (char& c : message)
        if (c == '\n') c = ' ';
    std::cerr << "doppler: " << message << '\n';
    return 2;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"One network with four tasks on Doppler spectrograms: denoising, envelope, quality, flow; and what an envelope tells.\n"
                 "For research and teaching: nothing that it prints is a clinical finding.",
                 "doppler"};
    app.require_subcommand(1);
    doppler::train_options t;
    auto* train = app.add_subcommand("train", "Train a network and evaluate it on the test images");
    add_data(*train, t.data);
    train->add_option("--size", t.size, "Height and width that images are resized to")->check(image_size)->capture_default_str();
    train->add_option("--strategy", t.how.strategy, "Which tasks step together")
        ->check(CLI::IsMember({"joint", "alternating"}))->capture_default_str();
    train->add_option("--epochs", t.how.epochs, "Passes over the training images")->check(CLI::Range(1, 100000))->capture_default_str();
    train->add_option("--batch", t.how.batch, "Images per step")->check(CLI::Range(4, 1024))->capture_default_str();
    train->add_option("--learning-rate", t.how.learning_rate, "Of AdamW, with warm-up and cosine")
        ->check(CLI::Range(1e-7, 1.0))->capture_default_str();
    train->add_option("--seed", t.seed, "Of weights, order and augmentation")->capture_default_str();
    train->add_option("--out", t.out, "Folder for model.safetensors and metrics.json")->required()->type_name("DIR");
    train->add_flag("--force", t.force, "Overwrite a model");
    add_computing(*train, t.device, t.plans, t.threads);

    doppler::evaluate_options e;
    auto* evaluate = app.add_subcommand("evaluate", "Measure a trained network on labelled images");
    evaluate->add_option("--model", e.model, "A model.safetensors of doppler train")->required()->type_name("FILE");
    add_data(*evaluate, e.data);
    evaluate->add_option("--split", e.split, "train, val or test")->check(CLI::IsMember({"train", "val", "test"}))->capture_default_str();
    evaluate->add_flag("--shifted", e.data.shifted, "Simulate test images as of another machine: a domain that was not trained on");
    evaluate->add_option("--out", e.out, "Metrics are written here as well (JSON)")->type_name("FILE");
    add_computing(*evaluate, e.device, e.plans, e.threads);

    doppler::predict_options p;
    auto* predict = app.add_subcommand("predict", "Apply a trained network to a folder of images with calibration.csv");
    predict->add_option("--model", p.model, "A model.safetensors of doppler train")->required()->type_name("FILE");
    predict->add_option("folder", p.folder, "Folder with calibration.csv: file, cm_s_per_pixel, ms_per_column, baseline_row")
        ->required()->type_name("DIR");
    predict->add_option("--out", p.out, "Folder for quantities.csv, envelopes and overlays")->required()->type_name("DIR");
    add_computing(*predict, p.device, p.plans, p.threads);

    try {
        app.parse(argc, argv);
        if (*train) run(t);
        else if (*evaluate) run(e);
        else run(p);
        std::cout.flush();
        return std::cout ? 0 : fail("standard output: cannot be written");
    } catch (const CLI::CallForHelp&) {
        std::cout << app.help();
        return 0;
    } catch (const CLI::ParseError& wrong) {
        return fail(std::string{wrong.what()} + " (doppler --help)");
    } catch (const std::exception& wrong) {
        return fail(wrong.what());
    }
}
