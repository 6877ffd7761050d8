// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <png.h>

#include <umsrep/core/error.hpp>
#include <umsrep/io/atomic_file.hpp>
#include <umsrep/io/raster.hpp>

namespace umsrep::io {

inline bool is_png(std::span<const std::byte> bytes) {
    return bytes.size() >= 8 && png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, 8) == 0;
}

namespace detail {

/// libpng reports an error by longjmp, which must not pass an object with a destructor. So every function that calls libpng runs
/// under `png_guarded`, is a plain function of a context, and keeps nothing but numbers and pointers; all memory is owned by the
/// C++ callers around it.
struct png_failure {
    char message[200] = "";

    static void raise(png_structp png, png_const_charp text) {
        auto* self = static_cast<png_failure*>(png_get_error_ptr(png));
        std::snprintf(self->message, sizeof self->message, "%s", text);
        png_longjmp(png, 1);
    }
    static void ignore(png_structp, png_const_charp) {}
};

template <class Context>
bool png_guarded(png_structp png, void (*body)(Context&), Context& context) {
    if (setjmp(png_jmpbuf(png)) != 0) return false;
    body(context);
    return true;
}

struct png_reader {
    png_failure failure;
    std::span<const std::byte> bytes;
    png_structp png;
    png_infop info = nullptr;
    png_uint_32 width = 0, height = 0;
    int channels = 0;
    png_bytep* rows = nullptr;

    explicit png_reader(std::span<const std::byte> from)
        : bytes{from}, png{png_create_read_struct(PNG_LIBPNG_VER_STRING, &failure, png_failure::raise, png_failure::ignore)} {
        if (png != nullptr) info = png_create_info_struct(png);
    }
    png_reader(const png_reader&) = delete;
    png_reader& operator=(const png_reader&) = delete;
    ~png_reader() { png_destroy_read_struct(&png, &info, nullptr); }

    static void take(png_structp png, png_bytep to, std::size_t count) {
        auto* self = static_cast<png_reader*>(png_get_io_ptr(png));
        if (count > self->bytes.size()) png_error(png, "the file ends too early");
        std::memcpy(to, self->bytes.data(), count);
        self->bytes = self->bytes.subspan(count);
    }

    static void read_header(png_reader& r) {
        png_set_read_fn(r.png, &r, take);
        png_set_user_limits(r.png, 0x7fffffff, 0x7fffffff); // check_picture_size has the say
        png_read_info(r.png, r.info);
        r.width = png_get_image_width(r.png, r.info);
        r.height = png_get_image_height(r.png, r.info);
        // Whatever is stored becomes 16-bit grey or RGB: palette and 1, 2, 4, 8 bits are widened, transparency is dropped.
        png_set_expand_16(r.png);
        png_set_strip_alpha(r.png);
        if constexpr (std::endian::native == std::endian::little) png_set_swap(r.png);
        png_set_interlace_handling(r.png);
        png_read_update_info(r.png, r.info);
        r.channels = png_get_channels(r.png, r.info);
    }

    static void read_rows(png_reader& r) {
        png_read_image(r.png, r.rows);
        png_read_end(r.png, nullptr);
    }
};

struct png_writer {
    png_failure failure;
    png_structp png;
    png_infop info = nullptr;
    png_uint_32 width = 0, height = 0;
    int channels = 0, bits = 0;
    png_bytep* rows = nullptr;
    std::vector<std::byte> bytes;

    png_writer() : png{png_create_write_struct(PNG_LIBPNG_VER_STRING, &failure, png_failure::raise, png_failure::ignore)} {
        if (png != nullptr) info = png_create_info_struct(png);
    }
    png_writer(const png_writer&) = delete;
    png_writer& operator=(const png_writer&) = delete;
    ~png_writer() { png_destroy_write_struct(&png, &info); }

    bool append(png_const_bytep from, std::size_t count) noexcept {
        try {
            const auto* first = reinterpret_cast<const std::byte*>(from);
            bytes.insert(bytes.end(), first, first + count);
            return true;
        } catch (...) { // libpng is C: no exception may pass through it
            return false;
        }
    }
    static void give(png_structp png, png_bytep from, std::size_t count) {
        if (!static_cast<png_writer*>(png_get_io_ptr(png))->append(from, count)) png_error(png, "out of memory");
    }
    static void flush(png_structp) {}

    static void write(png_writer& w) {
        png_set_write_fn(w.png, &w, give, flush);
        png_set_IHDR(w.png, w.info, w.width, w.height, w.bits, w.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
                     PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
        png_write_info(w.png, w.info);
        if (w.bits == 16 && std::endian::native == std::endian::little) png_set_swap(w.png);
        png_write_image(w.png, w.rows);
        png_write_end(w.png, nullptr);
    }
};

} // namespace detail

/// Grey or RGB of 16 bits from any PNG: 1 to 16 bits, palette, interlaced; alpha and transparent colours are dropped, not blended.
/// `file` is the name that errors carry. Throws file_error: not a PNG, damaged, cut off, too large.
inline raster<std::uint16_t> decode_png(std::span<const std::byte> bytes, const std::string& file) {
    if (!is_png(bytes)) throw file_error(file, "a PNG file", "other content");
    detail::png_reader reader{bytes};
    const auto fail = [&] { throw file_error(file + ": damaged PNG: " + reader.failure.message); };
    if (reader.info == nullptr || !detail::png_guarded(reader.png, detail::png_reader::read_header, reader)) fail();

    check_picture_size(file, reader.width, reader.height);
    raster<std::uint16_t> picture(reader.channels, static_cast<int>(reader.height), static_cast<int>(reader.width));
    std::vector<png_bytep> rows(reader.height);
    const std::size_t stride = picture.samples.size() / rows.size();
    for (std::size_t y = 0; y < rows.size(); ++y) rows[y] = reinterpret_cast<png_bytep>(picture.samples.data() + y * stride);
    reader.rows = rows.data();
    if (!detail::png_guarded(reader.png, detail::png_reader::read_rows, reader)) fail();
    return picture;
}

/// PNG of 8 or 16 bits, by the raster's type. Throws option_error when the raster is neither grey nor RGB or holds no pixel.
template <class T>
    requires(std::is_same_v<T, std::uint8_t> || std::is_same_v<T, std::uint16_t>)
std::vector<std::byte> encode_png(const raster<T>& picture) {
    const auto& [channels, height, width, samples] = picture;
    if ((channels != 1 && channels != 3) || height <= 0 || width <= 0 ||
        samples.size() !=
            static_cast<std::size_t>(channels) * static_cast<std::size_t>(height) * static_cast<std::size_t>(width)) {
        throw option_error("PNG", "a filled raster of 1 or 3 channels",
                           std::to_string(samples.size()) + " samples for " + std::to_string(channels) + " channels, " +
                               std::to_string(height) + " rows, " + std::to_string(width) + " columns");
    }
    detail::png_writer writer;
    writer.width = static_cast<png_uint_32>(width);
    writer.height = static_cast<png_uint_32>(height);
    writer.channels = channels;
    writer.bits = std::numeric_limits<T>::digits;
    std::vector<png_bytep> rows(writer.height);
    const std::size_t stride = samples.size() / rows.size();
    for (std::size_t y = 0; y < rows.size(); ++y) { // libpng only reads what it writes to the file; its type is not const
        rows[y] = reinterpret_cast<png_bytep>(const_cast<T*>(samples.data() + y * stride));
    }
    writer.rows = rows.data();
    if (writer.info == nullptr || !detail::png_guarded(writer.png, detail::png_writer::write, writer)) {
        throw error(std::string{"PNG: cannot be encoded: "} + writer.failure.message);
    }
    return std::move(writer.bytes);
}

/// Atomic. Throws file_error when the file cannot be written, and as encode_png.
template <class T>
void write_png(const std::filesystem::path& path, const raster<T>& picture) {
    write_atomically(path, std::span<const std::byte>{encode_png(picture)});
}

} // namespace umsrep::io
