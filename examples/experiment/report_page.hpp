// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "report_judge.hpp"
#include "report_study.hpp"
#include "report_table.hpp"

namespace experiment::reporting {

/// What the page shows, computed.
struct content {
    judgement judged;
    data_table verdicts, paper_5, paper_7, curves, ranks, controls, best, all_comparisons, costs, quantities, shifted, figures, gaps;

    /// Each has a CSV file.
    std::vector<const data_table*> tables() const {
        return {&verdicts,        &paper_5, &paper_7,    &curves,  &ranks,   &controls, &best,
                &all_comparisons, &costs,   &quantities, &shifted, &figures, &gaps};
    }
};

/// One HTML document that refers to nothing but the files beside it. @throws umsrep::file_error for a sample that is no PNG file
std::string page(const study& of, const content& c, int resamples);

} // namespace experiment::reporting
