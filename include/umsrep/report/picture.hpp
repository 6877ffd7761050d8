// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <xtensor/xtensor.hpp>

#include <umsrep/core/error.hpp>
#include <umsrep/report/font.hpp>
#include <umsrep/report/table.hpp>

namespace umsrep::report {

/// (C, H, W), float in [0, 1].
using image = xt::xtensor<float, 3>;

struct colour {
    float red = 0, green = 0, blue = 0;
    friend constexpr bool operator==(colour, colour) = default;
};

namespace colours {
inline constexpr colour black{0, 0, 0}, white{1, 1, 1}, grey{.55f, .55f, .55f}, dark{.10f, .11f, .13f};
inline constexpr colour yellow{1, .82f, .10f}, green{.25f, .85f, .45f}, red{.95f, .30f, .25f}, blue{.30f, .60f, 1};
} // namespace colours

/// Place of a pixel or of the upper left corner of something, from the upper left of the picture.
struct position {
    std::size_t y = 0, x = 0;
};

/// An RGB canvas on which figures are put together. `pixels()` is (3, H, W) and can be written as PNG.
class picture {
public:
    /// @throws option_error when a side is 0
    picture(std::size_t height, std::size_t width, colour background = colours::black)
        : pixels_{image::from_shape(std::array{std::size_t{3}, height, width})} {
        if (height == 0 || width == 0)
            throw option_error("picture", "at least 1x1", std::to_string(height) + "x" + std::to_string(width));
        fill({0, 0}, height, width, background);
    }

    /// From an image of one (grey) or three channels. @throws shape_mismatch
    explicit picture(const image& source) : picture{checked(source).shape()[1], source.shape()[2]} { paste(source, {0, 0}); }

    std::size_t height() const { return pixels_.shape()[1]; }
    std::size_t width() const { return pixels_.shape()[2]; }
    const image& pixels() const { return pixels_; }

    /// @throws shape_mismatch when the place is outside
    colour at(position p) const {
        inside(p, 1, 1, "pixel");
        return {pixels_(0, p.y, p.x), pixels_(1, p.y, p.x), pixels_(2, p.y, p.x)};
    }

    /// Puts a grey or RGB image on the canvas, clamped to [0, 1]. @throws shape_mismatch when it does not lie wholly inside
    void paste(const image& source, position to) {
        checked(source);
        inside(to, source.shape()[1], source.shape()[2], "pasted image");
        for (std::size_t c = 0; c < 3; ++c)
            for (std::size_t y = 0; y < source.shape()[1]; ++y)
                for (std::size_t x = 0; x < source.shape()[2]; ++x)
                    pixels_(c, to.y + y, to.x + x) = std::clamp(source(source.shape()[0] == 3 ? c : 0, y, x), 0.0f, 1.0f);
    }
    void paste(const picture& source, position to) { paste(source.pixels(), to); }

    /// A filled rectangle. @throws shape_mismatch when it does not lie wholly inside
    void fill(position from, std::size_t height, std::size_t width, colour c) {
        inside(from, height, width, "rectangle");
        for (std::size_t y = from.y; y < from.y + height; ++y)
            for (std::size_t x = from.x; x < from.x + width; ++x) set(y, x, c);
    }

    /// The outline of a mask (1, H, W) whose upper left corner lies at `to`: the pixels in the mask (> 0.5) with one of their four
    /// neighbours not in it, or at the mask's border. @throws shape_mismatch
    void outline(const image& mask, position to, colour c) {
        check_mask(mask, to);
        const std::size_t rows = mask.shape()[1], columns = mask.shape()[2];
        const auto in = [&](std::size_t y, std::size_t x) { return mask(0, y, x) > 0.5f; };
        for (std::size_t y = 0; y < rows; ++y)
            for (std::size_t x = 0; x < columns; ++x) {
                if (!in(y, x)) continue;
                const bool within = y > 0 && x > 0 && y + 1 < rows && x + 1 < columns && in(y - 1, x) && in(y + 1, x) &&
                                    in(y, x - 1) && in(y, x + 1);
                if (!within) set(to.y + y, to.x + x, c);
            }
    }

    /// Mixes `share` of a colour into the pixels of a mask (1, H, W), 0 to 1. @throws shape_mismatch, option_error
    void tint(const image& mask, position to, colour c, float share) {
        check_mask(mask, to);
        if (!(share >= 0.0f && share <= 1.0f)) throw option_error("tint share", "0 to 1", std::to_string(share));
        for (std::size_t y = 0; y < mask.shape()[1]; ++y)
            for (std::size_t x = 0; x < mask.shape()[2]; ++x) {
                if (!(mask(0, y, x) > 0.5f)) continue;
                const colour old = at({to.y + y, to.x + x});
                const auto mix = [&](float a, float b) { return a + share * (b - a); };
                set(to.y + y, to.x + x, {mix(old.red, c.red), mix(old.green, c.green), mix(old.blue, c.blue)});
            }
    }

    /// Text in the 5x7 font, one column between letters, each font pixel `scale` x `scale`. What passes the canvas is cut off.
    void text(std::string_view words, position to, colour c, std::size_t scale = 1) {
        for (std::size_t i = 0; i < words.size(); ++i) {
            const glyph& letter = glyph_of(words[i]);
            for (std::size_t row = 0; row < glyph_height * scale; ++row)
                for (std::size_t column = 0; column < glyph_width * scale; ++column) {
                    if ((letter[row / scale] >> (glyph_width - 1 - column / scale) & 1) == 0) continue;
                    const std::size_t y = to.y + row, x = to.x + i * (glyph_width + 1) * scale + column;
                    if (y < height() && x < width()) set(y, x, c);
                }
        }
    }

private:
    static const image& checked(const image& source) {
        if (source.shape()[0] != 1 && source.shape()[0] != 3)
            throw shape_mismatch("image", "1 or 3 channels", std::to_string(source.shape()[0]));
        return source;
    }

    void check_mask(const image& mask, position to) const {
        if (mask.shape()[0] != 1) throw shape_mismatch("mask", "1 channel", std::to_string(mask.shape()[0]));
        inside(to, mask.shape()[1], mask.shape()[2], "mask");
    }

    void inside(position p, std::size_t rows, std::size_t columns, const char* what) const {
        if (p.y + rows > height() || p.x + columns > width())
            throw shape_mismatch(what, "to lie within " + std::to_string(height()) + "x" + std::to_string(width()),
                                 std::to_string(rows) + "x" + std::to_string(columns) + " at " + std::to_string(p.y) + "," +
                                     std::to_string(p.x));
    }

    void set(std::size_t y, std::size_t x, colour c) {
        pixels_(0, y, x) = c.red;
        pixels_(1, y, x) = c.green;
        pixels_(2, y, x) = c.blue;
    }

    image pixels_;
};

/// Pixels that a text takes from its first to its last letter.
constexpr std::size_t text_width(std::string_view words, std::size_t scale = 1) {
    return words.empty() ? 0 : (words.size() * (glyph_width + 1) - 1) * scale;
}

/// Each pixel `factor` x `factor` times. @throws option_error when it is 0
inline image enlarge(const image& source, std::size_t factor) {
    if (factor == 0) throw option_error("enlarge", "a factor of at least 1", "0");
    auto result = image::from_shape(std::array{source.shape()[0], source.shape()[1] * factor, source.shape()[2] * factor});
    for (std::size_t c = 0; c < result.shape()[0]; ++c)
        for (std::size_t y = 0; y < result.shape()[1]; ++y)
            for (std::size_t x = 0; x < result.shape()[2]; ++x) result(c, y, x) = source(c, y / factor, x / factor);
    return result;
}

/// An image with the outline of a mask (1, H, W) of the same size. @throws shape_mismatch
inline picture overlay(const image& source, const image& mask, colour c = colours::yellow) {
    picture result{source};
    if (mask.shape()[1] != result.height() || mask.shape()[2] != result.width())
        throw shape_mismatch("mask", std::to_string(result.height()) + "x" + std::to_string(result.width()) + ", as the image",
                             std::to_string(mask.shape()[1]) + "x" + std::to_string(mask.shape()[2]));
    result.outline(mask, {0, 0}, c);
    return result;
}

/// One picture of a grid and the words below it.
struct tile {
    picture content;
    std::string caption;
};

struct grid_options {
    std::size_t columns = 4;
    std::size_t gap = 6; ///< pixels between tiles and around them
    std::size_t text_scale = 1;
    colour background = colours::dark, ink = colours::white;
};

/// Tiles in rows of `columns`, each in a cell of the largest one's size, its caption below it; a caption too long for its cell is
/// cut. @throws option_error when there is no tile or no column
inline picture grid(const std::vector<tile>& tiles, const grid_options& options = {}) {
    if (tiles.empty()) throw option_error("grid", "at least 1 tile", "0");
    if (options.columns == 0 || options.text_scale == 0) throw option_error("grid", "at least 1 column and text scale 1", "0");
    std::size_t cell_height = 0, cell_width = 0;
    bool captions = false;
    for (const tile& t : tiles) {
        cell_height = std::max(cell_height, t.content.height());
        cell_width = std::max(cell_width, t.content.width());
        captions = captions || !t.caption.empty();
    }
    const std::size_t line = captions ? glyph_height * options.text_scale + 3 : 0;
    const std::size_t columns = std::min(options.columns, tiles.size()), rows = (tiles.size() + columns - 1) / columns;
    picture result{options.gap + rows * (cell_height + line + options.gap), options.gap + columns * (cell_width + options.gap),
                   options.background};
    const std::size_t letters = (cell_width + options.text_scale) / ((glyph_width + 1) * options.text_scale);
    for (std::size_t i = 0; i < tiles.size(); ++i) {
        const position corner{options.gap + i / columns * (cell_height + line + options.gap),
                              options.gap + i % columns * (cell_width + options.gap)};
        result.paste(tiles[i].content, corner);
        result.text(std::string_view{tiles[i].caption}.substr(0, letters), {corner.y + cell_height + 3, corner.x}, options.ink,
                    options.text_scale);
    }
    return result;
}

struct probability {
    std::string name;
    double value = 0; ///< 0 to 1
};

/// A bar for each class with its name and probability above it, the most probable one bright. @throws option_error when there is no
/// class, or a probability is not in [0, 1]
inline picture probability_bars(const std::vector<probability>& classes, std::size_t height, std::size_t width,
                                colour background = colours::dark) {
    if (classes.empty()) throw option_error("probability bars", "at least 1 class", "0");
    for (const probability& p : classes)
        if (!(p.value >= 0.0 && p.value <= 1.0)) throw option_error("probability of " + p.name, "0 to 1", number(p.value));
    picture result{height, width, background};
    constexpr std::size_t margin = 4, label = glyph_height + 2;
    const std::size_t room = height / classes.size(), most = width > 2 * margin ? width - 2 * margin : 0;
    const std::size_t thick = std::min<std::size_t>(10, room > label + 3 ? room - label - 3 : 0);
    const auto best = std::ranges::max_element(classes, {}, &probability::value);
    for (auto p = classes.begin(); p != classes.end(); ++p) {
        const bool first = p == best;
        const position corner{static_cast<std::size_t>(p - classes.begin()) * room + (room - std::min(room, label + thick)) / 2, margin};
        result.text(p->name + " " + number(p->value, 2), corner, first ? colours::white : colours::grey);
        if (thick == 0 || most == 0) continue;
        const position bar{corner.y + label, margin};
        result.fill(bar, thick, most, {.20f, .21f, .24f});
        result.fill(bar, thick, static_cast<std::size_t>(p->value * static_cast<double>(most) + 0.5), first ? colours::green : colours::grey);
    }
    return result;
}

} // namespace umsrep::report
