// SPDX-License-Identifier: MIT
#include <umsrep/report/picture.hpp>

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

using namespace umsrep;
using namespace umsrep::report;

namespace {

/// '#' is 1, everything else 0.
image drawn(const std::vector<std::string>& rows) {
    image result = image::from_shape({std::size_t{1}, rows.size(), rows[0].size()});
    for (std::size_t y = 0; y < rows.size(); ++y)
        for (std::size_t x = 0; x < rows[y].size(); ++x) result(0, y, x) = rows[y][x] == '#' ? 1.0f : 0.0f;
    return result;
}

/// '#' where a picture has the colour.
std::vector<std::string> where(const picture& p, colour c) {
    std::vector<std::string> rows(p.height(), std::string(p.width(), '.'));
    for (std::size_t y = 0; y < p.height(); ++y)
        for (std::size_t x = 0; x < p.width(); ++x)
            if (p.at({y, x}) == c) rows[y][x] = '#';
    return rows;
}

} // namespace

TEST_CASE("the outline of a mask is its pixels with a neighbour outside, or at the border") {
    const auto mask = drawn({"........", //
                             ".#####..", //
                             ".#####..", //
                             ".#####..", //
                             ".####.##", //
                             "......##"});
    picture p{6, 8};
    p.outline(mask, {0, 0}, colours::yellow);
    CHECK(where(p, colours::yellow) == std::vector<std::string>{"........", //
                                                               ".#####..", //
                                                               ".#...#..", //
                                                               ".#...#..", //
                                                               ".####.##", //
                                                               "......##"});
}

TEST_CASE("an outline is drawn where the mask is put") {
    picture p{4, 6};
    p.outline(drawn({"##", "##"}), {1, 3}, colours::red);
    CHECK(where(p, colours::red) == std::vector<std::string>{"......", "...##.", "...##.", "......"});
    CHECK_THROWS_AS(p.outline(drawn({"##", "##"}), {3, 3}, colours::red), shape_mismatch);
}

TEST_CASE("an overlay leaves the image as it was inside and outside of the outline") {
    image grey = image::from_shape({std::size_t{1}, std::size_t{5}, std::size_t{5}});
    for (std::size_t i = 0; i < 25; ++i) grey.data()[i] = 0.02f * static_cast<float>(i);
    const picture p = overlay(grey, drawn({".....", ".###.", ".###.", ".###.", "....."}));
    CHECK(p.at({2, 2}) == colour{grey(0, 2, 2), grey(0, 2, 2), grey(0, 2, 2)});
    CHECK(p.at({0, 0}) == colour{0, 0, 0});
    CHECK(p.at({1, 1}) == colours::yellow);
    CHECK_THROWS_AS(overlay(grey, drawn({"#"})), shape_mismatch);
}

TEST_CASE("grey and RGB images are pasted and clamped") {
    image rgb = image::from_shape({std::size_t{3}, std::size_t{1}, std::size_t{1}});
    rgb(0, 0, 0) = 0.25f;
    rgb(1, 0, 0) = 2;
    rgb(2, 0, 0) = -1;
    picture p{2, 3, colours::grey};
    p.paste(rgb, {1, 2});
    CHECK(p.at({1, 2}) == colour{.25f, 1, 0});
    CHECK(p.at({0, 0}) == colours::grey);
    p.paste(drawn({"#."}), {0, 0});
    CHECK(p.at({0, 0}) == colours::white);
    CHECK(p.at({0, 1}) == colours::black);
    CHECK(p.pixels().shape() == std::array<std::size_t, 3>{3, 2, 3});
    CHECK_THROWS_WITH_AS(p.paste(rgb, {2, 0}), "pasted image: expected to lie within 2x3, got 1x1 at 2,0", shape_mismatch);
    CHECK_THROWS_AS(p.paste(image::from_shape({std::size_t{2}, std::size_t{1}, std::size_t{1}}), {0, 0}), shape_mismatch);
}

TEST_CASE("a tint mixes its share of colour into the mask") {
    picture p{1, 2, colours::black};
    p.tint(drawn({".#"}), {0, 0}, colours::white, 0.25f);
    CHECK(p.at({0, 0}) == colours::black);
    CHECK(p.at({0, 1}) == colour{.25f, .25f, .25f});
    CHECK_THROWS_AS(p.tint(drawn({".#"}), {0, 0}, colours::white, 1.5f), option_error);
}

TEST_CASE("text is the font's pixels, six columns from letter to letter, cut off at the border") {
    picture p{7, 11};
    p.text("TL", {0, 0}, colours::white);
    CHECK(where(p, colours::white) == std::vector<std::string>{"#####.#....", //
                                                              "..#...#....", //
                                                              "..#...#....", //
                                                              "..#...#....", //
                                                              "..#...#....", //
                                                              "..#...#....", //
                                                              "..#...#####"});
    CHECK(text_width("TL") == 11);
    CHECK(text_width("TL", 2) == 22);
    CHECK(text_width("") == 0);
    p.text("WWWWWWW", {5, 8}, colours::red); // must not write outside
    picture twice{14, 10};
    twice.text("T", {0, 0}, colours::white, 2);
    CHECK(where(twice, colours::white)[0] == "##########");
    CHECK(where(twice, colours::white)[13] == "....##....");
}

TEST_CASE("all letters of the font differ, fit five columns, and an unknown character is a box") {
    std::set<glyph> seen;
    for (char c = ' '; c <= '~'; ++c) {
        CAPTURE(c);
        for (const auto row : glyph_of(c)) CHECK(row < 32);
        CHECK(seen.insert(glyph_of(c)).second);
    }
    CHECK(glyph_of('\xC3') == missing_glyph);
    CHECK(glyph_of('\n') == missing_glyph);
}

TEST_CASE("enlarging repeats each pixel") {
    const image big = enlarge(drawn({"#.", ".#"}), 3);
    CHECK(big.shape() == std::array<std::size_t, 3>{1, 6, 6});
    CHECK(big(0, 2, 2) == 1);
    CHECK(big(0, 2, 3) == 0);
    CHECK(big(0, 3, 3) == 1);
    CHECK_THROWS_AS(enlarge(big, 0), option_error);
}

TEST_CASE("a grid has a cell of the largest tile's size for each tile, and a line for captions when there are any") {
    std::vector<tile> tiles{{picture{10, 20, colours::red}, ""}, {picture{8, 30, colours::green}, ""}, {picture{4, 4}, ""}};
    grid_options options{.columns = 2, .gap = 3};
    const picture plain = grid(tiles, options);
    CHECK(plain.height() == 3 + 2 * (10 + 3));
    CHECK(plain.width() == 3 + 2 * (30 + 3));
    CHECK(plain.at({3, 3}) == colours::red);
    CHECK(plain.at({3, 36}) == colours::green);
    CHECK(plain.at({0, 0}) == colours::dark);
    tiles[2].caption = "T";
    const picture captioned = grid(tiles, options);
    CHECK(captioned.height() == 3 + 2 * (10 + 10 + 3));
    CHECK(captioned.at({3 + 23 + 10 + 3, 3}) == colours::white);
}

TEST_CASE("a caption does not run into the next cell") {
    const picture p = grid({{picture{4, 17}, "TTTTTT"}, {picture{4, 17}, ""}}, {.columns = 2, .gap = 2});
    for (std::size_t y = 0; y < p.height(); ++y)
        for (std::size_t x = 19; x < p.width(); ++x) CHECK(p.at({y, x}) != colours::white);
    CHECK(p.at({2 + 4 + 3, 2 + 16}) == colours::white); // but three letters fit 17 pixels
}

TEST_CASE("the length of a probability bar is its share of the width, the most probable one green") {
    const picture p = probability_bars({{"normal", 0.25}, {"viral", 0.75}}, 60, 108);
    CHECK(p.height() == 60);
    CHECK(p.width() == 108);
    std::size_t longest = 0;
    for (const std::string& row : where(p, colours::green)) longest = std::max(longest, static_cast<std::size_t>(std::ranges::count(row, '#')));
    CHECK(longest == 75);
    probability_bars({{"a", 1}, {"b", 0}, {"c", 0}}, 5, 5); // too small for anything must still be safe
    CHECK_THROWS_AS(probability_bars({}, 10, 10), option_error);
    CHECK_THROWS_WITH_AS(probability_bars({{"viral", 1.5}}, 10, 10), "probability of viral: expected 0 to 1, got 1.500", option_error);
}

TEST_CASE("empty pictures and grids throw") {
    CHECK_THROWS_AS((picture{0, 5}), option_error);
    CHECK_THROWS_AS(grid({}), option_error);
    CHECK_THROWS_AS(grid({{picture{1, 1}, ""}}, {.columns = 0}), option_error);
}
