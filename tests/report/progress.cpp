// SPDX-License-Identifier: MIT
#include <umsrep/report/progress.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

using namespace umsrep;
using namespace umsrep::report;

namespace {

/// A clock that goes only when told to.
struct hand_clock {
    double now = 100;
    std::function<double()> read() {
        return [this] { return now; };
    }
};

progress_options options(hand_clock& clock, progress_style style) {
    progress_options o;
    o.title = "epoch 1/2";
    o.total = 100;
    o.style = style;
    o.clock = clock.read();
    return o;
}

std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> result;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) result.push_back(line);
    return result;
}

} // namespace

TEST_CASE("plain progress is whole lines at intervals, with the losses, the speed and the time to go") {
    hand_clock clock;
    std::ostringstream out;
    progress bar{out, options(clock, progress_style::plain)};
    for (int i = 0; i < 10; ++i) {
        clock.now += 4; // 10 s apart at the least: after 12 and 24 and 36 s
        bar.advance(10, {{"denoise", 0.012345}, {"lungs", 0.5}});
    }
    bar.finish();
    const auto got = lines(out.str());
    REQUIRE(got.size() == 4);
    CHECK(got[0] == "epoch 1/2  30% (30/100 images)  denoise 0.01235  lungs 0.5  2.50 images/s  28 s to go");
    CHECK(got[1] == "epoch 1/2  60% (60/100 images)  denoise 0.01235  lungs 0.5  2.50 images/s  16 s to go");
    CHECK(got[3] == "epoch 1/2 100% (100/100 images)  denoise 0.01235  lungs 0.5  2.50 images/s  in 40 s");
    CHECK(out.str().find('\r') == std::string::npos);
    CHECK(out.str().find('\x1b') == std::string::npos);
}

TEST_CASE("a stream that is no terminal gets plain lines by itself") {
    hand_clock clock;
    std::ostringstream out;
    progress bar{out, options(clock, progress_style::automatic)};
    bar.advance(50);
    CHECK(out.str().empty());
    bar.finish();
    CHECK(out.str() == "epoch 1/2  50% (50/100 images)\n");
}

TEST_CASE("on a terminal one line is written over until the work is finished") {
    hand_clock clock;
    std::string out;
    {
        progress bar{terminal{true, false, 60}, options(clock, progress_style::automatic), [&](std::string_view t) { out += t; }};
        for (int i = 0; i < 4; ++i) {
            clock.now += 1;
            bar.advance(25, {{"lungs", 0.25}});
        }
        bar.finish();
        bar.finish();
    }
    CHECK(std::ranges::count(out, '\n') == 1);
    CHECK(out.back() == '\n');
    CHECK(std::ranges::count(out, '\r') == 6); // at the start, four steps, the end
    std::istringstream parts{out};
    for (std::string part; std::getline(parts, part, '\r');) CHECK(part.size() < 60 + 4);
}

TEST_CASE("redraws of the line are not more frequent than asked") {
    hand_clock clock;
    std::string out;
    progress bar{terminal{true, false, 80}, options(clock, progress_style::line), [&](std::string_view t) { out += t; }};
    const auto before = out.size();
    for (int i = 0; i < 50; ++i) bar.advance(1);
    CHECK(out.size() == before);
    clock.now += 0.2;
    bar.advance(1);
    CHECK(out.size() > before);
}

TEST_CASE("a line broken off is closed, so that the error message after it starts on its own line") {
    hand_clock clock;
    std::string out;
    { progress bar{terminal{true, false, 80}, options(clock, progress_style::line), [&](std::string_view t) { out += t; }}; }
    CHECK(out.back() == '\n');
}

TEST_CASE("a remark stays above the line") {
    hand_clock clock;
    std::string out;
    progress bar{terminal{true, false, 80}, options(clock, progress_style::line), [&](std::string_view t) { out += t; }};
    out.clear();
    bar.note("best so far");
    CHECK(out.starts_with("\r\x1b[Kbest so far\n\repoch 1/2"));
}

TEST_CASE("quiet means nothing at all") {
    hand_clock clock;
    std::ostringstream out;
    progress bar{out, options(clock, progress_style::quiet)};
    clock.now += 1000;
    bar.advance(100, {{"lungs", 1}});
    bar.note("remark");
    bar.finish();
    CHECK(out.str().empty());
    CHECK(bar.done() == 100);
}

TEST_CASE("the line is never as wide as the terminal: the bar shrinks, then goes, then the facts are cut") {
    const std::vector<named_value> losses{{"denoise", .0123}, {"lungs", .234}, {"befund \xC3\xA4", 1.5}};
    progress_state state{"epoch 3/20", "images", 450, 1000, 412.4, 1.1, losses};
    for (int width = 1; width < 160; ++width) {
        CAPTURE(width);
        const std::string line = progress_line(state, width, false);
        CHECK(columns_of(line) <= static_cast<std::size_t>(std::max(1, width - 1)));
        CHECK((line.empty() || static_cast<unsigned char>(line.back()) != 0xC3)); // no half letter
    }
    CHECK(progress_line(state, 140, false) == "epoch 3/20  45% [==================>                     ]  denoise 0.0123  lungs 0.234  "
                                              "befund \xC3\xA4 1.5  412 images/s  1 s to go");
    CHECK(progress_line(state, 80, false).find('[') == std::string::npos);
    CHECK(progress_line(state, 20, false) == "epoch 3/20  45%  de");
}

TEST_CASE("colour adds escape sequences and no columns") {
    progress_state state{"e", "images", 45, 100, 0, 0, {}};
    std::string coloured = progress_line(state, 80, true);
    REQUIRE(coloured.find("\x1b[32m") != std::string::npos);
    coloured.erase(coloured.find("\x1b[32m"), 5);
    coloured.erase(coloured.find("\x1b[0m"), 4);
    CHECK(coloured == progress_line(state, 80, false));
}

TEST_CASE("a full bar has no tip, and more work than expected does not overflow it") {
    progress_state state{"", "steps", 10, 10, 0, 5, {}};
    CHECK(progress_line(state, 40, false).starts_with("100% [===="));
    CHECK(progress_line(state, 40, false).find('>') == std::string::npos);
    state.done = 15;
    CHECK(columns_of(progress_line(state, 40, false)) <= 39);
    CHECK(progress_line(state, 40, false).starts_with("100% ["));
}

TEST_CASE("without a total there is a count and a speed, but no bar and no time to go") {
    progress_state state{"reading", "files", 12, 0, 3.5, 4, {}};
    CHECK(progress_line(state, 80, false) == "reading 12 files  3.50 files/s");
    CHECK(progress_plain(state) == "reading 12 files  3.50 files/s");
}

TEST_CASE("work done before a resume does not count in the speed") {
    hand_clock clock;
    std::ostringstream out;
    auto o = options(clock, progress_style::plain);
    o.done = 50;
    progress bar{out, o};
    clock.now += 10;
    bar.advance(10);
    CHECK(out.str() == "epoch 1/2  60% (60/100 images)  1.00 images/s  40 s to go\n");
    o.done = 101;
    CHECK_THROWS_AS((progress{out, o}), option_error);
}

TEST_CASE("durations read like a clock") {
    CHECK(duration(0) == "0 s");
    CHECK(duration(59.4) == "59 s");
    CHECK(duration(59.6) == "1:00");
    CHECK(duration(3599) == "59:59");
    CHECK(duration(3600 * 30 + 62) == "30:01:02");
    CHECK(duration(std::numeric_limits<double>::infinity()) == "?");
    CHECK(duration(-1) == "?");
}

TEST_CASE("a loss that is not a number is shown as such") {
    const std::vector<named_value> losses{{"lungs", std::nan("")}};
    CHECK(progress_plain({"", "images", 1, 2, 0, 0, losses}) == " 50% (1/2 images)  lungs nan");
}

TEST_CASE("a file is not a terminal and has no colour") {
    std::FILE* file = std::tmpfile();
    REQUIRE(file != nullptr);
    const terminal t = terminal_of(file);
    CHECK_FALSE(t.interactive);
    CHECK_FALSE(t.colour);
    CHECK(t.width > 0);
    {
        progress bar{file, {.title = "work", .total = 4}};
        bar.advance(4);
        bar.finish();
    }
    std::rewind(file);
    char text[100]{};
    CHECK(std::fgets(text, sizeof text, file) != nullptr);
    CHECK(std::string{text}.starts_with("work 100% (4/4 images)"));
    std::fclose(file);
}
