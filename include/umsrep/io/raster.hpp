// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <umsrep/core/error.hpp>

namespace umsrep::io {

/// A picture as files store it: rows from top to bottom, the channels of a pixel side by side. 1 channel is grey, 3 are RGB;
/// samples go from 0 (black) to the largest value of T.
template <class T>
struct raster {
    int channels = 1, height = 0, width = 0;
    std::vector<T> samples;

    raster() = default;
    raster(int channel_count, int rows, int columns)
        : channels{channel_count},
          height{rows},
          width{columns},
          samples(static_cast<std::size_t>(channel_count) * static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns)) {}
};

/// Larger pictures are refused before memory is taken for them; a chest X-ray has up to some 30 million pixels.
inline constexpr std::uint64_t largest_picture = std::uint64_t{1} << 27;

/// Throws file_error naming the file.
inline void check_picture_size(const std::string& file, std::uint64_t width, std::uint64_t height) {
    if (width == 0 || height == 0 || width > largest_picture || height > largest_picture || width * height > largest_picture) {
        throw file_error(file, "a picture of 1 to " + std::to_string(largest_picture) + " pixels",
                         std::to_string(width) + " x " + std::to_string(height));
    }
}

} // namespace umsrep::io
