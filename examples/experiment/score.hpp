// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "job.hpp"

namespace experiment {

struct figure {
    std::string task, metric;
    double value = 0; ///< NaN: not defined on these images
    std::size_t count = 0; ///< images it is made of
};

/// One image and one task of it, for paired tests.
struct prediction {
    std::string task, id, patient;
    std::optional<int> truth, predicted; ///< of a classification
    double score = 0;                    ///< probability of the positive, or highest, class; IoU; PSNR in dB
};

struct scores {
    std::vector<figure> figures;
    std::vector<prediction> predictions;

    /// The figure by which a task's arms are compared: accuracy, IoU per image or PSNR.
    double main_figure(const task& t) const;
};

/// The main figure of one task, PSNR as a share of 40 dB: what can be averaged over tasks.
double quality(const task& t, const std::vector<item>& images, const xt::xtensor<float, 4>& predicted);

/// Measures what was predicted for images against their labels.
scores score(const family& f, const std::vector<item>& images, const outputs& predicted);

} // namespace experiment
