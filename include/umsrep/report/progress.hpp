// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/report/terminal.hpp>

namespace umsrep::report {

/// A number with a name, as shown beside the bar: the loss of a head.
struct named_value {
    std::string name;
    double value = 0;
};

enum class progress_style {
    automatic, ///< `line` on a terminal, else `plain`
    line,      ///< one line, written over again and again
    plain,     ///< whole lines now and then: for files, pipes and logs
    quiet,     ///< nothing at all
};

struct progress_options {
    std::string title;         ///< "epoch 3/20"
    std::string unit = "images";
    std::size_t total = 0;     ///< units of work; 0 when unknown: no bar, no time to go
    std::size_t done = 0;      ///< done before this run began, when it was resumed: not counted in the speed
    progress_style style = progress_style::automatic;
    double line_interval = 0.1;   ///< seconds between two redraws of the line
    double plain_interval = 10.0; ///< seconds between two plain lines
    std::function<double()> clock{}; ///< seconds; empty: the steady clock. Tests bring their own.
};

/// One moment of a long work, and all that its line depends on.
struct progress_state {
    std::string_view title, unit;
    std::size_t done = 0, total = 0;
    double per_second = 0; ///< units; 0 when not known yet
    double elapsed = 0;    ///< seconds
    std::span<const named_value> values;
};

/// "42 s", "3:07", "2:03:07"; "?" when it is not known.
inline std::string duration(double seconds) {
    if (!std::isfinite(seconds) || seconds < 0) return "?";
    const auto whole = static_cast<long long>(std::llround(seconds));
    char text[48];
    if (whole < 60) std::snprintf(text, sizeof text, "%lld s", whole);
    else if (whole < 3600) std::snprintf(text, sizeof text, "%lld:%02lld", whole / 60, whole % 60);
    else std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
    return text;
}

namespace detail {

inline std::string short_number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4g", value);
    return text;
}

/// "denoise 0.0123  lungs 0.234  412 images/s  1:23 to go"
inline std::string facts(const progress_state& state) {
    std::string text;
    const auto add = [&](const std::string& fact) { text += (text.empty() ? "" : "  ") + fact; };
    for (const named_value& v : state.values) add(v.name + " " + short_number(v.value));
    if (state.per_second > 0) {
        char speed[32];
        std::snprintf(speed, sizeof speed, state.per_second < 10 ? "%.2f" : "%.0f", state.per_second);
        add(std::string{speed} + " " + std::string{state.unit} + "/s");
    }
    if (state.total > 0 && state.done >= state.total) add("in " + duration(state.elapsed));
    else if (state.total > 0 && state.per_second > 0)
        add(duration(static_cast<double>(state.total - state.done) / state.per_second) + " to go");
    return text;
}

inline std::string percent(const progress_state& state) {
    if (state.total == 0) return std::to_string(state.done) + " " + std::string{state.unit};
    const std::size_t share = std::min(state.done, state.total) * 100 / state.total;
    return std::string(share < 10 ? 2 : share < 100 ? 1 : 0, ' ') + std::to_string(share) + "%";
}

} // namespace detail

/// The line for a terminal of `width` columns, at most width - 1 of them, so that no terminal wraps it. The bar takes what the
/// facts leave, at most 40 columns; where less than 8 are left it goes, and then the facts are cut.
inline std::string progress_line(const progress_state& state, int width, bool colour) {
    const auto room = static_cast<std::size_t>(std::max(1, width - 1));
    const std::string before = (state.title.empty() ? "" : std::string{state.title} + " ") + detail::percent(state);
    const std::string facts = detail::facts(state);
    const std::size_t fixed = columns_of(before) + (facts.empty() ? 0 : 2 + columns_of(facts)) + 3; // " [" and "]"
    std::string bar;
    if (state.total > 0 && room >= fixed + 8) {
        const std::size_t length = std::min<std::size_t>(40, room - fixed);
        const std::size_t full = std::min(state.done, state.total) * length / state.total;
        bar = " [" + std::string(colour ? "\x1b[32m" : "") + std::string(full, '=') + (full < length ? ">" : "") +
              (colour ? "\x1b[0m" : "") + std::string(length - std::min(length, full + 1), ' ') + "]";
        return before + bar + (facts.empty() ? "" : "  " + facts);
    }
    return std::string{first_columns(before + (facts.empty() ? "" : "  " + facts), room)};
}

/// The line for a file: "epoch 3/20  45% (450/1000 images)  lungs 0.234  412 images/s  1:23 to go".
inline std::string progress_plain(const progress_state& state) {
    const std::string facts = detail::facts(state);
    std::string text = state.title.empty() ? "" : std::string{state.title} + " ";
    text += detail::percent(state);
    if (state.total > 0) text += " (" + std::to_string(state.done) + "/" + std::to_string(state.total) + " " + std::string{state.unit} + ")";
    return text + (facts.empty() ? "" : "  " + facts);
}

/// Progress of a long work, shown to a person. Not thread-safe: the thread that counts the work shows it.
///
///     progress bar{stderr, {.title = "epoch 1/20", .total = images}};
///     for (...) bar.advance(batch_size, losses);
///     bar.finish();
class progress {
public:
    progress(std::FILE* file, progress_options options)
        : progress{terminal_of(file), std::move(options), [file](std::string_view text) {
                       std::fwrite(text.data(), 1, text.size(), file);
                       std::fflush(file);
                   }} {}

    progress(std::ostream& stream, progress_options options)
        : progress{terminal_of(stream), std::move(options), [&stream](std::string_view text) { stream << text << std::flush; }} {}

    /// Any other place that takes text.
    progress(terminal where, progress_options options, std::function<void(std::string_view)> write)
        : where_{where}, options_{std::move(options)}, write_{std::move(write)} {
        if (options_.style == progress_style::automatic)
            options_.style = where_.interactive ? progress_style::line : progress_style::plain;
        if (options_.total > 0 && options_.done > options_.total)
            throw option_error("progress done", "at most the total " + std::to_string(options_.total), std::to_string(options_.done));
        if (!options_.clock) {
            options_.clock = [] {
                return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
            };
        }
        done_ = options_.done;
        started_ = shown_ = options_.clock();
        if (options_.style == progress_style::line) show();
    }

    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;

    /// Leaves a line begun on the terminal as it stands, with a line end, when the work was broken off.
    ~progress() {
        try {
            if (open_line_) write_("\n");
        } catch (...) { // a destructor has nobody to tell
        }
    }

    /// `units` more are done; `values` replace those shown before.
    void advance(std::size_t units, std::vector<named_value> values) {
        values_ = std::move(values);
        advance(units);
    }
    void advance(std::size_t units) {
        done_ += units;
        if (options_.style == progress_style::quiet) return;
        const double interval = options_.style == progress_style::line ? options_.line_interval : options_.plain_interval;
        if (options_.clock() - shown_ >= interval) show();
    }

    /// A remark that stays: a line of its own, above the bar on a terminal.
    void note(std::string_view text) {
        if (options_.style == progress_style::quiet) return;
        const bool line = options_.style == progress_style::line;
        write_((line ? "\r\x1b[K" : "") + std::string{text} + "\n");
        open_line_ = false;
        if (line && !finished_) show();
    }

    /// Shows the last state and ends the line. Further calls do nothing.
    void finish() {
        if (finished_) return;
        finished_ = true;
        if (options_.style == progress_style::quiet) return;
        show();
        if (open_line_) write_("\n");
        open_line_ = false;
    }

    std::size_t done() const { return done_; }

private:
    void show() {
        shown_ = options_.clock();
        progress_state state{options_.title, options_.unit, done_, options_.total, 0, shown_ - started_, values_};
        if (state.elapsed > 0) state.per_second = static_cast<double>(done_ - options_.done) / state.elapsed;
        if (options_.style == progress_style::line) {
            write_("\r" + progress_line(state, where_.width, where_.colour) + "\x1b[K");
            open_line_ = true;
        } else {
            write_(progress_plain(state) + "\n");
        }
    }

    terminal where_;
    progress_options options_;
    std::function<void(std::string_view)> write_;
    std::vector<named_value> values_;
    std::size_t done_ = 0;
    double started_ = 0, shown_ = 0;
    bool open_line_ = false, finished_ = false;
};

} // namespace umsrep::report
