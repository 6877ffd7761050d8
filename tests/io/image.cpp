// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <zlib.h>

#include <umsrep/core/random.hpp>
#include <umsrep/io/image.hpp>

#include "../support/disk_full.hpp"
#include "../support/fixture.hpp"
#include "../support/message_of.hpp"
#include "../support/temporary_folder.hpp"

using namespace umsrep;
using test::message_of;
using test::one_line_naming;

namespace {
using pixels = xt::xtensor<float, 3>;

std::vector<std::byte> bytes_of(const io::safetensors& fixture, const std::string& name) {
    const auto values = fixture.values<std::uint8_t>(name);
    std::vector<std::byte> bytes(values.size());
    std::memcpy(bytes.data(), values.data(), values.size());
    return bytes;
}

float largest_difference(const pixels& a, const std::vector<float>& b) {
    REQUIRE(a.size() == b.size());
    float largest = 0;
    for (std::size_t i = 0; i < b.size(); ++i) largest = std::max(largest, std::abs(a.data()[i] - b[i]));
    return largest;
}

std::vector<std::string> pictures(const io::safetensors& fixture, const std::string& ending) {
    std::vector<std::string> result;
    for (const std::string& name : fixture.names()) {
        if (name.ends_with(ending) && name != "cmyk.jpg") result.push_back(name);
    }
    return result;
}

pixels random_image(std::size_t channels, std::size_t height, std::size_t width, seed s) {
    pixels result = pixels::from_shape(std::array{channels, height, width});
    random_stream random{s};
    for (std::size_t i = 0; i < result.size(); ++i) result.data()[i] = random.uniform();
    return result;
}
} // namespace

TEST_CASE("every kind of PNG is read exactly: bits, palette, interlace; transparency is dropped") {
    const io::safetensors fixture = test::fixture("io_images");
    const auto names = pictures(fixture, ".png");
    REQUIRE(names.size() == 23);
    for (const std::string& name : names) {
        INFO(name);
        const auto expected = fixture.values<float>(name + ".pixels");
        const bool grey = fixture.shape(name + ".pixels")[0] == 1;
        const pixels read = io::decode_image(bytes_of(fixture, name), name, grey ? io::colour::grey : io::colour::rgb);
        CHECK(read.shape()[1] == 9);
        CHECK(read.shape()[2] == 11);
        CHECK(largest_difference(read, expected) == 0.0f);
    }
}

TEST_CASE("baseline and progressive JPEG, grey and colour, are read") {
    const io::safetensors fixture = test::fixture("io_images");
    const auto names = pictures(fixture, ".jpg");
    REQUIRE(names.size() == 5);
    for (const std::string& name : names) {
        INFO(name);
        const bool grey = fixture.shape(name + ".pixels")[0] == 1;
        const pixels read = io::decode_image(bytes_of(fixture, name), name, grey ? io::colour::grey : io::colour::rgb);
        CHECK(largest_difference(read, fixture.values<float>(name + ".pixels")) <= 2.5f / 255);
    }
}

TEST_CASE("colours become BT.601 luma, grey becomes three equal channels") {
    io::raster<std::uint8_t> colour(3, 1, 2);
    colour.samples = {10, 200, 30, 77, 77, 77};
    const pixels luma = io::to_image(colour);
    CHECK(luma(0, 0, 0) == doctest::Approx((0.299 * 10 + 0.587 * 200 + 0.114 * 30) / 255).epsilon(1e-6));
    CHECK(luma(0, 0, 1) == 77.0f / 255.0f);

    io::raster<std::uint16_t> grey(1, 1, 1);
    grey.samples = {300};
    const pixels rgb = io::to_image(grey, io::colour::rgb);
    CHECK(rgb.shape()[0] == 3);
    for (std::size_t c = 0; c < 3; ++c) CHECK(rgb(c, 0, 0) == 300.0f / 65535.0f);
}

TEST_CASE("a written PNG is read back to within half a step, in 8 and 16 bits, grey and RGB") {
    test::temporary_folder folder;
    for (const std::size_t channels : {1u, 3u}) {
        const pixels written = random_image(channels, 13, 7, seed{channels});
        const std::vector<float> expected(written.data(), written.data() + written.size());
        const auto wanted = channels == 1 ? io::colour::grey : io::colour::rgb;
        io::write_png(folder / "8.png", written);
        CHECK(largest_difference(io::read_image(folder / "8.png", wanted), expected) <= 0.5001f / 255);
        io::write_png<std::uint16_t>(folder / "16.png", written);
        CHECK(largest_difference(io::read_image(folder / "16.png", wanted), expected) <= 0.501f / 65535);
    }
}

TEST_CASE("written values are clamped to [0, 1]; what is not finite or has two channels is refused") {
    pixels odd = random_image(1, 1, 3, seed{1});
    odd(0, 0, 0) = -0.5f;
    odd(0, 0, 1) = 1.5f;
    odd(0, 0, 2) = 0.5f;
    CHECK(io::to_raster<std::uint8_t>(odd).samples == std::vector<std::uint8_t>{0, 255, 128});
    odd(0, 0, 2) = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_AS(io::to_raster<std::uint8_t>(odd), option_error);
    CHECK_THROWS_AS(io::to_raster<std::uint8_t>(random_image(2, 2, 2, seed{1})), shape_mismatch);
    CHECK_THROWS_AS(io::encode_png(io::raster<std::uint8_t>{}), option_error);
}

TEST_CASE("every file that is cut off is refused with one line naming it") {
    const io::safetensors fixture = test::fixture("io_images");
    for (const std::string name :
         {"rgb16_interlaced.png", "palette4_transparent.png", "rgb.jpg", "progressive.jpg", "grey.jpg"}) {
        const auto whole = bytes_of(fixture, name);
        for (std::size_t size = 0; size < whole.size(); ++size) {
            const std::string message = message_of<file_error>([&] { io::decode_image(std::span{whole}.first(size), name); });
            INFO(size << " of " << whole.size() << ": " << message);
            CHECK(one_line_naming(message, name));
        }
    }
}

TEST_CASE("damaged bytes give an image or a file_error, never undefined behaviour") {
    const io::safetensors fixture = test::fixture("io_images");
    random_stream random{seed{11}};
    int refused = 0;
    for (const std::string name : {"rgb16_interlaced.png", "grey8.png", "rgb.jpg", "progressive.jpg"}) {
        const auto whole = bytes_of(fixture, name);
        for (int i = 0; i < 300; ++i) {
            auto damaged = whole;
            damaged[random.below(static_cast<std::uint32_t>(whole.size()))] ^= std::byte{1} << random.below(8);
            try {
                io::decode_image(damaged, name);
            } catch (const file_error&) {
                ++refused;
            }
        }
    }
    CHECK(refused > 300); // PNG has checksums everywhere
}

TEST_CASE("what is not a picture of this library is named, with the reason") {
    test::temporary_folder folder;
    const io::safetensors fixture = test::fixture("io_images");
    const auto write = [&](const char* name, const std::vector<std::byte>& bytes) {
        io::write_atomically(folder / name, bytes);
        return folder / name;
    };
    auto giant = bytes_of(fixture, "grey8.png"); // the header says 2^31 - 1 columns, with a right checksum
    const std::uint8_t header[] = {0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 9, 8, 0, 0, 0, 0};
    std::memcpy(giant.data() + 16, header, sizeof header);
    const auto crc = static_cast<std::uint32_t>(::crc32(0, reinterpret_cast<const Bytef*>(giant.data() + 12), 17));
    for (int i = 0; i < 4; ++i) giant[29 + static_cast<std::size_t>(i)] = static_cast<std::byte>(crc >> (24 - 8 * i));

    const struct {
        std::filesystem::path path;
        const char* reason;
    } cases[] = {
        {folder / "absent.png", "no such file"},
        {folder.path(), "regular file"},
        {write("empty.png", {}), "empty file"},
        {write("text.png", std::vector<std::byte>(100, std::byte{'a'})), "neither"},
        {write("cmyk.jpg", bytes_of(fixture, "cmyk.jpg")), "CMYK"},
        {write("giant.png", giant), "pixels"},
    };
    for (const auto& [path, reason] : cases) {
        const std::string message = message_of<file_error>([&] { io::read_image(path); });
        INFO(message);
        CHECK(one_line_naming(message, path.string()));
        CHECK(message.find(reason) != std::string::npos);
    }
}

TEST_CASE("the content decides the format, not the name") {
    test::temporary_folder folder;
    const io::safetensors fixture = test::fixture("io_images");
    io::write_atomically(folder / "picture.jpg", bytes_of(fixture, "grey8.png"));
    CHECK(io::read_image(folder / "picture.jpg").shape()[2] == 11);
}

TEST_CASE("a picture that does not fit on the disk leaves the earlier one") {
    test::temporary_folder folder;
    io::write_png(folder / "a.png", random_image(1, 2, 2, seed{1}));
    {
        test::disk_full full{1000};
        CHECK_THROWS_AS(io::write_png(folder / "a.png", random_image(1, 200, 200, seed{2})), file_error);
    }
    CHECK(io::read_image(folder / "a.png").shape()[1] == 2);
    CHECK(folder.files() == 1);
}

TEST_CASE("real X-rays of several sizes and formats are read") {
    const char* data = std::getenv("UMSREP_DATA");
    if (data == nullptr) {
        MESSAGE("skipped: UMSREP_DATA is not set");
        return;
    }
    const std::filesystem::path folder = std::filesystem::path{data} / "cxr_originals";
    const struct {
        const char* name;
        std::size_t height, width;
    } cases[] = {
        {"cxr_2000x2000_gray.jpg", 2000, 2000}, {"cxr_640_gray.png", 524, 640},     {"cxr_ARDSSevere.png", 631, 790},
        {"kermany_224_rgb.jpg", 224, 224},      {"nih_00000001_000.png", 512, 512},
    };
    for (const auto& [name, height, width] : cases) {
        INFO(name);
        const pixels read = io::read_image(folder / name);
        CHECK(read.shape()[0] == 1);
        CHECK(read.shape()[1] == height);
        CHECK(read.shape()[2] == width);
    }
}
