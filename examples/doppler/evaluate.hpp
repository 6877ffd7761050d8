// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "data.hpp"
#include "session.hpp"

namespace doppler {

/// Metrics of every head that has labels among the images, and the agreement of peak velocity and VTI, read off the predicted
/// envelope, with their truth (Bland-Altman). What is not defined is null.
nlohmann::ordered_json evaluate(session& net, const std::vector<record>& images);

/// The main figures for a person.
std::string summary(const nlohmann::ordered_json& metrics);

/// One sample out of a batch.
umsrep::data::tensor sample_of(const xt::xtensor<float, 4>& batch, std::size_t index);

void write_json(const std::filesystem::path& path, const nlohmann::ordered_json& json);

} // namespace doppler
