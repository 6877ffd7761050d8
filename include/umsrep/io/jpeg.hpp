// SPDX-License-Identifier: MIT
#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio> // jpeglib.h needs FILE and size_t before it
#include <span>
#include <string>
#include <vector>

#include <jpeglib.h>
// libjpeg's names of its messages
#include <jerror.h>

#include <umsrep/core/error.hpp>
#include <umsrep/io/raster.hpp>

namespace umsrep::io {

inline bool is_jpeg(std::span<const std::byte> bytes) {
    return bytes.size() >= 3 && bytes[0] == std::byte{0xff} && bytes[1] == std::byte{0xd8} && bytes[2] == std::byte{0xff};
}

namespace detail {

/// libjpeg reports an error by a call that must not return. As with libpng, what calls it runs between setjmp and longjmp and keeps
/// nothing but numbers and pointers; all memory is owned by the C++ callers around it.
struct jpeg_reader {
    jpeg_error_mgr errors{};
    jpeg_decompress_struct jpeg{};
    std::jmp_buf on_error;
    char message[JMSG_LENGTH_MAX] = "";
    std::span<const std::byte> bytes;
    std::uint8_t* row = nullptr;
    std::uint16_t* samples = nullptr;

    explicit jpeg_reader(std::span<const std::byte> from) : bytes{from} {
        jpeg.err = jpeg_std_error(&errors);
        jpeg.client_data = this;
        errors.error_exit = raise;
        errors.emit_message = warn;
        errors.output_message = [](j_common_ptr) {};
    }
    jpeg_reader(const jpeg_reader&) = delete;
    jpeg_reader& operator=(const jpeg_reader&) = delete;
    ~jpeg_reader() { jpeg_destroy_decompress(&jpeg); }

    static void raise(j_common_ptr jpeg) {
        auto* self = static_cast<jpeg_reader*>(jpeg->client_data);
        self->errors.format_message(jpeg, self->message);
        std::longjmp(self->on_error, 1);
    }

    /// libjpeg fills what is missing with grey and only warns; here a file that is cut off or damaged is an error.
    static void warn(j_common_ptr jpeg, int level) {
        const int code = jpeg->err->msg_code;
        const bool harmless = code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR;
        if (level < 0 && !harmless) raise(jpeg);
    }

    static void read_header(jpeg_reader& r) {
        jpeg_create_decompress(&r.jpeg);
        r.jpeg.client_data = &r; // creating it keeps `err` alone in some versions
        jpeg_mem_src(&r.jpeg, reinterpret_cast<const unsigned char*>(r.bytes.data()), static_cast<unsigned long>(r.bytes.size()));
        jpeg_read_header(&r.jpeg, TRUE);
        r.jpeg.out_color_space = r.jpeg.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    }

    static void read_rows(jpeg_reader& r) {
        jpeg_start_decompress(&r.jpeg);
        while (r.jpeg.output_scanline < r.jpeg.output_height) {
            JSAMPROW row = r.row;
            if (jpeg_read_scanlines(&r.jpeg, &row, 1) != 1) continue;
            const std::size_t count = std::size_t{r.jpeg.output_width} * static_cast<std::size_t>(r.jpeg.output_components);
            for (std::size_t i = 0; i < count; ++i) *r.samples++ = static_cast<std::uint16_t>(row[i] * 257);
        }
        jpeg_finish_decompress(&r.jpeg);
    }

    bool guarded(void (*body)(jpeg_reader&)) {
        if (setjmp(on_error) != 0) return false;
        body(*this);
        return true;
    }
};

} // namespace detail

/// Grey or RGB, widened to 16 bits, from a baseline or progressive JPEG. `file` is the name that errors carry.
/// Throws file_error: not a JPEG, damaged, cut off, too large, CMYK.
inline raster<std::uint16_t> decode_jpeg(std::span<const std::byte> bytes, const std::string& file) {
    if (!is_jpeg(bytes)) throw file_error(file, "a JPEG file", "other content");
    detail::jpeg_reader reader{bytes};
    const auto fail = [&] { throw file_error(file + ": damaged JPEG: " + reader.message); };
    if (!reader.guarded(detail::jpeg_reader::read_header)) fail();

    const J_COLOR_SPACE colours = reader.jpeg.jpeg_color_space;
    if (colours != JCS_GRAYSCALE && colours != JCS_RGB && colours != JCS_YCbCr) {
        throw file_error(file, "a grey or RGB JPEG",
                         colours == JCS_CMYK || colours == JCS_YCCK ? "CMYK" : "another colour space");
    }
    check_picture_size(file, reader.jpeg.image_width, reader.jpeg.image_height);
    raster<std::uint16_t> picture(colours == JCS_GRAYSCALE ? 1 : 3, static_cast<int>(reader.jpeg.image_height),
                                  static_cast<int>(reader.jpeg.image_width));
    std::vector<std::uint8_t> row(static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.channels));
    reader.row = row.data();
    reader.samples = picture.samples.data();
    if (!reader.guarded(detail::jpeg_reader::read_rows)) fail();
    return picture;
}

} // namespace umsrep::io
