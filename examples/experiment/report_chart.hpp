// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace experiment::reporting {

struct chart_point {
    double x, y, low, high; ///< low and high: the interval; NaN: none is known
};

struct chart_series {
    std::string name;
    std::vector<chart_point> points;
};

/// Lines over label budgets, on a logarithmic axis, with intervals.
struct chart {
    std::string id, title, y_title;
    std::vector<chart_series> series; ///< at most `chart_styles`
};

/// Colours (the page's style sheet has them, dark and light), each with a marker of its own.
inline constexpr std::size_t chart_styles = 8;

/// An inline SVG image of which a screen reader reads title and a sentence for each series; text grows and shrinks with the image.
std::string svg(const chart& c);

/// The names of the series beside their markers, as an HTML list, for any number of charts with the same series.
std::string legend(const std::vector<std::string>& names);

} // namespace experiment::reporting
