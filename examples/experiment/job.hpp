// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <xtensor/xtensor.hpp>

#include <umsrep/train/history.hpp>

#include "arm.hpp"
#include "data.hpp"

namespace experiment {

/// How long and how fast to train: the same for all arms.
struct schedule {
    int epochs = 20, batch = 16;
    int patience = 0; ///< epochs without better validation figures after which an arm stops; 0: all have the same number of epochs
    double learning_rate = 1e-3;
    int images_per_epoch = 320; ///< at least, of each task: fewer labelled images are gone through several times
};

/// One arm on one set of labelled images.
struct job {
    arm what;
    std::vector<double> loss_weights; ///< of the tasks
    std::vector<umsrep::data::sample> labelled;
    const splits* images = nullptr;       ///< for validation and tests
    std::filesystem::path encoder;        ///< of stage 1; empty: from scratch
    std::uint64_t seed = 1;
    int threads = 2;
    schedule how;
    /// Of a task's predictions for the validation images, higher is better: what decides which epoch's weights are kept.
    std::function<double(int task, const xt::xtensor<float, 4>& predicted)> quality;
    std::function<void(const umsrep::epoch_record&, std::string_view task)> on_epoch; ///< task: empty where all train together
};

struct curve_point {
    int epoch = 0;
    std::string task;
    double train_loss = 0, valid_loss = 0;
    bool kept = false; ///< the epoch whose weights are those of the trained network
};

/// What it took. Multiply-accumulates are counted, seconds are those of training steps, without validation.
struct cost {
    double seconds = 0;
    int epochs = 0;                  ///< of all tasks' runs together
    std::int64_t macs_per_step = 0;  ///< every head trained on one sample, as in the last phase
    double macs_total = 0;
    std::int64_t parameters = 0, trained_parameters = 0; ///< of all models that the arm leaves behind
    std::int64_t peak_bytes = 0;     ///< of the model that trains, its gradients, moments and activations
    double latency_p50 = 0, latency_p95 = 0; ///< ms, one image through all tasks
};

/// Predictions of each task, (images, ...): probabilities, or a denoised image.
using outputs = std::vector<xt::xtensor<float, 4>>;

struct outcome {
    cost spent;
    std::vector<curve_point> curve;
    outputs valid, test, shifted; ///< for the images of these splits
};

/// Trains and predicts. The networks are known only where these are defined, one file for each family.
outcome run_cxr_homogeneous(const job& j);
outcome run_cxr_heterogeneous(const job& j);
outcome run_echo_heterogeneous(const job& j);
outcome run(const family& f, const job& j);

/// What stage 1 leaves behind beside the encoder's file.
struct stage1 {
    double seconds = 0;
    int epochs = 0;
};

/// Learns an encoder by denoising, from images alone, and writes it: `file` appears last. One that is there is only read.
stage1 learn_encoder(const std::string& modality_name, const splits& images, const std::filesystem::path& file, std::uint64_t seed,
                     int threads, const schedule& how, const std::function<void(const umsrep::epoch_record&)>& on_epoch);

} // namespace experiment
