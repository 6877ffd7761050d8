// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>

namespace experiment {

struct report_options {
    std::filesystem::path folder; ///< that `experiment run` wrote
    int resamples = 10'000;       ///< of each bootstrap
    std::uint64_t seed = 1;       ///< of the bootstraps: the same folder gives the same page
};

/// Writes report.html (one file, for which no network is needed), report.json, and every table of the page as a CSV file in report/, all in
/// the folder; prints where they are and the verdicts. Returns 0: what did not reproduce is a finding, not a failure.
/// @throws umsrep::file_error naming file, line and column of what cannot be read, or the file that cannot be written
int report(const report_options& options);

} // namespace experiment
