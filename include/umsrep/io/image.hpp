// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>

#include <xtensor/xtensor.hpp>

#include <umsrep/core/error.hpp>
#include <umsrep/io/jpeg.hpp>
#include <umsrep/io/png.hpp>
#include <umsrep/io/raster.hpp>
#include <umsrep/io/read_bytes.hpp>

namespace umsrep::io {

enum class colour {
    grey, ///< one channel; colours become their luma
    rgb,  ///< three channels; grey is repeated
};

namespace detail {

/// Luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B; grey content keeps its value exactly.
inline float luma(float r, float g, float b) { return r == g && g == b ? r : 0.299f * r + 0.587f * g + 0.114f * b; }

inline xt::xtensor<float, 3> new_image(int channels, int height, int width) {
    return xt::xtensor<float, 3>::from_shape(
        std::array{static_cast<std::size_t>(channels), static_cast<std::size_t>(height), static_cast<std::size_t>(width)});
}

} // namespace detail

/// (1, H, W) or (3, H, W) in [0, 1]: the stored value over the largest that its type holds.
template <class T>
xt::xtensor<float, 3> to_image(const raster<T>& picture, colour wanted = colour::grey) {
    xt::xtensor<float, 3> image = detail::new_image(wanted == colour::grey ? 1 : 3, picture.height, picture.width);
    const std::size_t plane = image.shape()[1] * image.shape()[2];
    const auto value = [&](std::size_t i) {
        return static_cast<float>(picture.samples[i]) / static_cast<float>(std::numeric_limits<T>::max());
    };
    float* to = image.data();
    for (std::size_t i = 0; i < plane; ++i) {
        const std::size_t first = i * static_cast<std::size_t>(picture.channels), step = picture.channels == 3 ? 1 : 0;
        const std::array rgb{value(first), value(first + step), value(first + 2 * step)};
        if (wanted == colour::grey) {
            to[i] = detail::luma(rgb[0], rgb[1], rgb[2]);
        } else {
            for (std::size_t c = 0; c < 3; ++c) to[c * plane + i] = rgb[c];
        }
    }
    return image;
}

/// The nearest value that T holds; what lies outside [0, 1] is clamped. Takes (1, H, W) and (3, H, W).
/// Throws shape_mismatch on other channel counts, option_error when the image is not finite.
template <class T>
raster<T> to_raster(const xt::xtensor<float, 3>& image) {
    const std::size_t channels = image.shape()[0], plane = image.shape()[1] * image.shape()[2];
    if (channels != 1 && channels != 3) throw shape_mismatch("picture", "1 or 3 channels", std::to_string(channels));
    raster<T> picture(static_cast<int>(channels), static_cast<int>(image.shape()[1]), static_cast<int>(image.shape()[2]));
    for (std::size_t i = 0; i < plane; ++i) {
        for (std::size_t c = 0; c < channels; ++c) {
            const float value = image.data()[c * plane + i];
            if (!std::isfinite(value)) throw option_error("picture", "finite values", std::to_string(value));
            constexpr float largest = std::numeric_limits<T>::max();
            picture.samples[i * channels + c] = static_cast<T>(std::clamp(value, 0.0f, 1.0f) * largest + 0.5f);
        }
    }
    return picture;
}

/// PNG or JPEG, told apart by the first bytes. `file` is the name that errors carry. Throws file_error.
inline xt::xtensor<float, 3> decode_image(std::span<const std::byte> bytes, const std::string& file,
                                          colour wanted = colour::grey) {
    if (bytes.empty()) throw file_error(file, "a PNG or JPEG image", "an empty file");
    if (is_png(bytes)) return to_image(decode_png(bytes, file), wanted);
    if (is_jpeg(bytes)) return to_image(decode_jpeg(bytes, file), wanted);
    throw file_error(file, "a PNG or JPEG image", "neither");
}

/// (1, H, W), or (3, H, W) if asked for, in [0, 1] from a PNG or JPEG file, whatever its name ends in.
/// Throws file_error: not there, empty, not an image, damaged, cut off, CMYK, more than `largest_picture` pixels.
inline xt::xtensor<float, 3> read_image(const std::filesystem::path& path, colour wanted = colour::grey) {
    return decode_image(read_bytes(path), path.string(), wanted);
}

/// Grey (1, H, W) or RGB (3, H, W) in [0, 1] as a PNG of 8 (T = std::uint8_t) or 16 bits (std::uint16_t), atomically.
/// Throws file_error when it cannot be written, and as to_raster.
template <class T = std::uint8_t>
void write_png(const std::filesystem::path& path, const xt::xtensor<float, 3>& image) {
    write_png(path, to_raster<T>(image));
}

} // namespace umsrep::io
