// SPDX-License-Identifier: MIT
#include "report_chart.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "report_table.hpp"

namespace experiment::reporting {

namespace {

constexpr double width = 360, height = 250, left = 48, right = 10, top = 10, bottom = 40;

std::string px(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", value);
    return text;
}

std::string text(double x, double y, const char* anchor, const std::string& words, const std::string& more = {}) {
    return "<text x=\"" + px(x) + "\" y=\"" + px(y) + "\" text-anchor=\"" + anchor + "\"" + more + ">" + escaped(words) + "</text>";
}

std::string line(double x1, double y1, double x2, double y2, const char* kind) {
    return "<line class=\"" + std::string(kind) + "\" x1=\"" + px(x1) + "\" y1=\"" + px(y1) + "\" x2=\"" + px(x2) + "\" y2=\"" + px(y2) +
           "\"/>";
}

/// Circle, square, triangle, diamond; the second four are hollow.
std::string marker(std::size_t style, double x, double y) {
    constexpr double r = 3.6;
    const std::string kind = style < 4 ? "full" : "hollow";
    const auto polygon = [&](std::vector<std::pair<double, double>> corners) {
        std::string points;
        for (const auto& [dx, dy] : corners) points += px(x + dx) + "," + px(y + dy) + " ";
        return "<polygon class=\"" + kind + "\" points=\"" + points + "\"/>";
    };
    switch (style % 4) {
        case 0:
            return "<circle class=\"" + kind + "\" cx=\"" + px(x) + "\" cy=\"" + px(y) + "\" r=\"" + px(r) + "\"/>";
        case 1:
            return polygon({{-r, -r}, {r, -r}, {r, r}, {-r, r}});
        case 2:
            return polygon({{0, -1.3 * r}, {1.2 * r, r}, {-1.2 * r, r}});
        default:
            return polygon({{0, -1.4 * r}, {1.4 * r, 0}, {0, 1.4 * r}, {-1.4 * r, 0}});
    }
}

/// 1, 2 or 5 times a power of ten, so that about five of them fill the range.
double step_of(double range) {
    const double rough = range / 5, power = std::pow(10, std::floor(std::log10(rough)));
    for (const double factor : {1.0, 2.0, 5.0})
        if (rough <= factor * power * 1.0001) return factor * power;
    return 10 * power;
}

/// Only finite points are drawn; the table beside the chart says which are missing.
std::vector<chart_point> drawn(const chart_series& s) {
    std::vector<chart_point> result;
    for (chart_point p : s.points) {
        if (!std::isfinite(p.y) || !(p.x > 0)) continue;
        if (!std::isfinite(p.low) || !std::isfinite(p.high)) p.low = p.high = p.y;
        result.push_back(p);
    }
    return result;
}

} // namespace

std::string svg(const chart& c) {
    std::set<double> budgets;
    double low = 0, high = 0;
    bool any = false;
    for (const chart_series& s : c.series)
        for (const chart_point& p : drawn(s)) {
            budgets.insert(p.x);
            low = any ? std::min(low, p.low) : p.low;
            high = any ? std::max(high, p.high) : p.high;
            any = true;
        }
    std::string out = "<svg role=\"img\" viewBox=\"0 0 360 250\" aria-labelledby=\"" + c.id + "-t " + c.id + "-d\"><title id=\"" + c.id +
                      "-t\">" + escaped(c.title) + "</title><desc id=\"" + c.id + "-d\">";
    const column three{.id = "", .title = "", .digits = 3};
    for (const chart_series& s : c.series) {
        std::string values;
        for (const chart_point& p : drawn(s))
            values += (values.empty() ? "" : ", ") + shown(p.y, three) + " with " + exact(p.x) + " labels";
        out += escaped(s.name) + ": " + (values.empty() ? "missing" : values) + ". ";
    }
    out += "</desc>\n";
    if (!any) return out + text(width / 2, height / 2, "middle", "nothing was measured") + "</svg>\n";

    const double step = step_of(std::max(high - low, 1e-3));
    low = std::floor(low / step) * step;
    high = std::max(low + step, std::ceil(high / step) * step);
    const double first = std::log(*budgets.begin()), last = std::log(*budgets.rbegin());
    const double inset = 22; // so that points do not stand on the axis
    const auto at_x = [&](double x) {
        const double share = last > first ? (std::log(x) - first) / (last - first) : 0.5;
        return left + inset + share * (width - left - right - 2 * inset);
    };
    const auto at_y = [&](double y) { return height - bottom - (y - low) / (high - low) * (height - top - bottom); };

    const int digits = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
    for (int i = 0; low + i * step <= high + 0.5 * step; ++i) {
        const double y = low + i * step;
        out += line(left, at_y(y), width - right, at_y(y), "grid") +
               text(left - 6, at_y(y) + 4, "end", shown(y, {.id = "", .title = "", .digits = digits}));
    }
    for (const double x : budgets) out += text(at_x(x), height - bottom + 16, "middle", exact(x));
    out += text((left + width - right) / 2, height - 6, "middle", "labels per task") +
           text(12, (height - bottom + top) / 2, "middle", c.y_title,
                " transform=\"rotate(-90 12 " + px((height - bottom + top) / 2) + ")\"") +
           "\n";

    for (std::size_t s = 0; s < c.series.size(); ++s) {
        // Side by side, so that one interval does not hide another.
        const double shift = 3.2 * (static_cast<double>(s) - 0.5 * static_cast<double>(c.series.size() - 1));
        out += "<g class=\"s" + std::to_string(s % chart_styles) + "\">";
        std::string path, marks;
        for (const chart_point& p : drawn(c.series[s])) {
            const double x = at_x(p.x) + shift;
            path += (path.empty() ? "M" : "L") + px(x) + " " + px(at_y(p.y));
            if (p.high > p.low) out += line(x, at_y(p.low), x, at_y(p.high), "interval");
            marks += marker(s % chart_styles, x, at_y(p.y));
        }
        out += "<path d=\"" + path + "\"/>" + marks + "</g>\n";
    }
    return out + "</svg>\n";
}

std::string legend(const std::vector<std::string>& names) {
    std::string out = "<ul class=\"legend\">";
    for (std::size_t s = 0; s < names.size(); ++s)
        out += "<li><svg aria-hidden=\"true\" viewBox=\"0 0 24 12\" width=\"24\" height=\"12\"><g class=\"s" +
               std::to_string(s % chart_styles) + "\"><path d=\"M0 6L24 6\"/>" + marker(s % chart_styles, 12, 6) + "</g></svg> " +
               escaped(names[s]) + "</li>";
    return out + "</ul>\n";
}

} // namespace experiment::reporting
