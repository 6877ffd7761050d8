// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <umsrep/core/doppler_calibration.hpp>
#include <umsrep/data/sample.hpp>
#include <umsrep/data/sim/doppler_flow.hpp>

namespace experiment {

enum class modality { cxr, echo };

enum class task_kind { classification, segmentation, denoising };

struct task {
    std::string name;
    task_kind kind = task_kind::classification;
    int classes = 2;    ///< of a classification; of two, 1 is the positive one
    double weight = 1;  ///< of its loss where losses are summed up
};

/// What is true of a spectrogram beside its labels.
struct echo_truth {
    umsrep::doppler_calibration calibration;
    umsrep::sim::doppler_flow flow = umsrep::sim::doppler_flow::mitral_inflow;
    double peak_velocity = 0, vti = 0; ///< cm/s, cm
    double early_to_late = 0;          ///< E/A; NaN of a flow without the two waves
};

/// An image with what is known of it.
struct item {
    umsrep::data::sample sample;
    std::string patient;
    int stratum = 0; ///< labelled images are drawn evenly from strata
    std::optional<echo_truth> echo{};
};

/// Images of one modality or family. No patient is in two of the splits.
struct splits {
    std::vector<item> train, valid, test;
    std::vector<item> shifted; ///< spectrograms as of another machine, to test on only
};

struct data_options {
    std::filesystem::path findings, lungs; ///< chest X-rays: Kermany's folder, a manifest with masks; both empty: simulated
    std::size_t simulated = 2000;                ///< training images to simulate; validation gets an eighth, the test a quarter
    int size = 64;
    int threads = 2;
};

/// The images of a modality in the networks' size, with the labels that their source gives. Spectrograms are simulated.
splits read_images(modality m, const data_options& options);

/// A set of tasks on one modality.
struct family {
    std::string name;
    modality images = modality::cxr;
    std::vector<task> tasks;
    bool shares_images = true; ///< each task is labelled on the same images; otherwise on those of two strata
};

/// cxr-homogeneous, cxr-heterogeneous, echo-heterogeneous.
const std::vector<family>& families();

/// The images as the family's tasks see them. Those that no task has a label for are left out, and those of the validation beyond 600.
splits images_of(const family& f, splits images, const data_options& options);

/// The training images of a budget of labels per task, drawn evenly from the strata; those of a smaller budget and the same seed are among
/// them. Fewer where there are not as many.
std::vector<umsrep::data::sample> draw_labelled(const family& f, const std::vector<item>& train, int labels, std::uint64_t seed);

} // namespace experiment
