// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <umsrep/report/picture.hpp>

#include "data.hpp"
#include "session.hpp"

namespace xray {

/// Metrics of every trained head that has labels among the images: denoising of noise of the given deviation, lungs and finding on
/// clean images. What is not defined is null.
nlohmann::ordered_json evaluate(session& networks, const description& what, const std::vector<part>& parts, double noise);

/// The main figures for a person.
std::string summary(const nlohmann::ordered_json& metrics);

/// Some images: noisy | denoised | clean | lungs (prediction yellow, truth green) | finding.
umsrep::report::picture panel(session& networks, const std::vector<part>& parts, double noise);

/// (1, size, size) and so on as a batch of one, and one sample out of a batch.
xt::xtensor<float, 4> batch_of(const umsrep::data::tensor& image);
umsrep::data::tensor sample_of(const xt::xtensor<float, 4>& batch, std::size_t index);

/// Cuts to [0, 1], as a file would.
umsrep::data::tensor displayed(umsrep::data::tensor image);

} // namespace xray
