// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <umsrep/data/loader.hpp>

#include "options.hpp"

namespace xray {

/// Images that belong together in a batch: `share` of them for every `share` of the others.
struct part {
    std::string name;
    std::size_t share = 1;
    std::vector<umsrep::data::sample> samples; ///< clean, (1, size, size)
};

/// The images of one split, read and resized. Throws file_error, label_error or shape_mismatch naming the file.
std::vector<part> read_split(const data_options& data, const std::string& split, int size, int threads);

/// How many samples have a label for the head. The clean image is the label of "denoise".
std::size_t labelled(const std::vector<part>& parts, std::string_view head);
std::size_t count(const std::vector<part>& parts);

/// Images of each class.
std::vector<std::size_t> class_counts(const std::vector<part>& parts);

/// The sample with noise of its own, which depends on its name alone.
void add_noise(umsrep::data::sample& s, double sigma);

struct loading {
    std::size_t batch;
    double noise;
    umsrep::seed random;
    umsrep::shape image;
    std::vector<umsrep::data::head_spec> targets;
};

/// Moved, brightened and, every other one, noisy images; the clean image is their denoising target.
umsrep::data::loader training_loader(std::vector<part> parts, const loading& how);

/// Every image once as it is, every other one noisy; the same each time.
umsrep::data::loader validation_loader(std::vector<part> parts, const loading& how);

} // namespace xray
