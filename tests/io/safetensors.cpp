// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <umsrep/core/random.hpp>
#include <umsrep/io/safetensors.hpp>

#include "../support/disk_full.hpp"
#include "../support/fixture.hpp"
#include "../support/message_of.hpp"
#include "../support/temporary_folder.hpp"

using namespace umsrep;
using io::safetensors;
using test::message_of;
using test::one_line_naming;

namespace {
std::vector<std::byte> file_of(std::string header, std::size_t data_bytes, std::ptrdiff_t claimed_length = -1) {
    const std::uint64_t length = claimed_length < 0 ? header.size() : static_cast<std::uint64_t>(claimed_length);
    std::vector<std::byte> bytes(sizeof length + header.size() + data_bytes);
    std::memcpy(bytes.data(), &length, sizeof length);
    std::memcpy(bytes.data() + sizeof length, header.data(), header.size());
    return bytes;
}

std::string refusal(const std::vector<std::byte>& bytes) {
    return message_of<file_error>([&] { safetensors::parse(bytes, "model.safetensors"); });
}
} // namespace

TEST_CASE("what is written is read back bit for bit, with names, shapes and metadata") {
    test::temporary_folder folder;
    random_stream random{seed{7}};
    std::vector<float> a(2 * 3 * 5);
    for (float& v : a) v = random.normal();
    a[3] = std::numeric_limits<float>::infinity();
    const std::vector<double> b{0.1, -1e300};
    const std::vector<std::int64_t> c{std::numeric_limits<std::int64_t>::min(), 7};
    const std::vector<std::uint8_t> d{0, 255, 3};

    safetensors written;
    written.metadata()["note"] = "line \"one\"\nline two, \xc3\xa9";
    written.add("d.bytes", {3}, d);
    written.add("a.weight", {2, 3, 5}, a);
    written.add("b", {2, 1}, b);
    written.add("c", {2}, c);
    written.add("scalar", {}, std::vector<float>{4.5f});
    written.add("none", {0, 3}, std::vector<float>{});
    written.write(folder / "x.safetensors");

    const safetensors read = safetensors::read(folder / "x.safetensors");
    CHECK(read.names().size() == 6);
    CHECK(read.metadata() == written.metadata());
    CHECK(read.shape("a.weight") == std::vector<std::size_t>{2, 3, 5});
    CHECK(read.shape("scalar").empty());
    CHECK(read.dtype("b") == "F64");
    CHECK(read.values<float>("a.weight") == a);
    CHECK(read.values<double>("b") == b);
    CHECK(read.values<std::int64_t>("c") == c);
    CHECK(read.values<std::uint8_t>("d.bytes") == d);
    CHECK(read.values<float>("scalar") == std::vector<float>{4.5f});
    CHECK(read.values<float>("none").empty());
    CHECK_FALSE(read.contains("e"));
}

TEST_CASE("a file of the Python library is read in every dtype") {
    const safetensors file = test::fixture("io_safetensors");
    const std::vector<float> expected{-2.0f, 0.0f, 0.5f, 1.0f, 3.0f, 100.0f};
    for (const char* name : {"f64", "f32", "f16", "bf16"}) {
        INFO(name);
        CHECK(file.shape(name) == std::vector<std::size_t>{2, 3});
        CHECK(file.values<float>(name) == expected);
        CHECK(file.values<double>(name) == std::vector<double>(expected.begin(), expected.end()));
    }
    for (const char* name : {"i64", "i32", "i16", "i8"}) {
        INFO(name);
        CHECK(file.values<int>(name) == std::vector<int>{-2, 0, 1, 100});
    }
    CHECK(file.values<int>("u8") == std::vector<int>{0, 1, 200, 255});
    CHECK(file.values<int>("bool") == std::vector<int>{1, 0, 1, 1});
    const auto special = file.values<float>("f16_special"); // infinity, -infinity, smallest subnormal, largest, NaN
    CHECK(special[0] == std::numeric_limits<float>::infinity());
    CHECK(special[1] == -std::numeric_limits<float>::infinity());
    CHECK(special[2] == 0x1p-24f);
    CHECK(special[3] == 65504.0f);
    CHECK(special[4] != special[4]);
    CHECK(file.metadata().at("made_by") == "make_io.py");
}

TEST_CASE("a value that the wanted integer type cannot hold is refused, not truncated") {
    safetensors file;
    file.add("half", {1}, std::vector<float>{0.5f});
    file.add("large", {1}, std::vector<std::int64_t>{256});
    file.add("two_to_63", {1}, std::vector<double>{0x1p63});
    file.add("fits", {2}, std::vector<float>{255.0f, 0.0f});
    CHECK_THROWS_AS(file.values<int>("half"), file_error);
    CHECK_THROWS_AS(file.values<std::uint8_t>("large"), file_error);
    CHECK_THROWS_AS(file.values<std::int64_t>("two_to_63"), file_error);
    CHECK(file.values<std::uint8_t>("fits") == std::vector<std::uint8_t>{255, 0});
    CHECK(one_line_naming(message_of<file_error>([&] { file.values<float>("absent"); }), "tensor 'absent'"));
}

TEST_CASE("a tensor is added once, under a usable name, and fills its shape") {
    safetensors file;
    const std::vector<float> two{1, 2};
    file.add("a", {2}, two);
    CHECK_THROWS_AS(file.add("a", {2}, two), option_error);
    CHECK_THROWS_AS(file.add("__metadata__", {2}, two), option_error);
    CHECK_THROWS_AS(file.add("b", {3}, two), shape_mismatch);
    CHECK_THROWS_AS(file.add("b", {std::size_t{1} << 63, 4}, two), shape_mismatch);
}

TEST_CASE("a damaged or foreign file is refused with one line naming the file") {
    const std::string f32 = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
    REQUIRE_NOTHROW(safetensors::parse(file_of(R"({"a":)" + f32 + "}", 8), "good"));
    REQUIRE_NOTHROW(safetensors::parse(file_of(R"({"a":)" + f32 + "}    ", 8), "padded"));

    const auto one = [](const std::string& entry) { return R"({"a":)" + entry + "}"; };
    const struct {
        const char* what;
        std::vector<std::byte> bytes;
    } damaged[] = {
        {"empty", {}},
        {"shorter than a length", std::vector<std::byte>(5)},
        {"header longer than the file", file_of(one(f32), 8, 1 << 20)},
        {"huge header length", file_of(one(f32), 8, std::numeric_limits<std::ptrdiff_t>::max())},
        {"not JSON", file_of("what is this", 8)},
        {"JSON cut off", file_of(R"({"a":)" + f32, 8)},
        {"an array", file_of("[1]", 8)},
        {"nested deeply", file_of(std::string(100'000, '['), 8)},
        {"data cut off", file_of(one(f32), 7)},
        {"trailing bytes", file_of(one(f32), 9)},
        {"unknown dtype", file_of(one(R"({"dtype":"F33","shape":[2],"data_offsets":[0,8]})"), 8)},
        {"dtype is a number", file_of(one(R"({"dtype":3,"shape":[2],"data_offsets":[0,8]})"), 8)},
        {"no dtype", file_of(one(R"({"shape":[2],"data_offsets":[0,8]})"), 8)},
        {"no shape", file_of(one(R"({"dtype":"F32","data_offsets":[0,8]})"), 8)},
        {"negative extent", file_of(one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"), 8)},
        {"fractional extent", file_of(one(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})"), 8)},
        {"shape that overflows", file_of(one(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]})"), 8)},
        {"bytes that overflow", file_of(one(R"({"dtype":"F32","shape":[4611686018427387906],"data_offsets":[0,8]})"), 8)},
        {"shape of another size", file_of(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"), 8)},
        {"one offset", file_of(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0]})"), 8)},
        {"offsets backwards", file_of(one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"), 8)},
        {"offsets beyond the file", file_of(one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,16]})"), 8)},
        {"entry is a number", file_of(one("3"), 8)},
        {"duplicate name", file_of(R"({"a":)" + f32 + R"(,"a":)" + f32 + "}", 8)},
        {"duplicate key", file_of(one(R"({"dtype":"F32","dtype":"I32","shape":[2],"data_offsets":[0,8]})"), 8)},
        {"overlap", file_of(R"({"a":)" + f32 + R"(,"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12)},
        {"two tensors in one place", file_of(R"({"a":)" + f32 + R"(,"b":)" + f32 + "}", 8)},
        {"gap", file_of(R"({"a":)" + f32 + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}})", 16)},
        {"metadata that is no text", file_of(R"({"__metadata__":{"k":1}})", 0)},
        {"metadata that is no object", file_of(R"({"__metadata__":[]})", 0)},
    };
    for (const auto& [what, bytes] : damaged) {
        const std::string message = refusal(bytes);
        INFO(what << " -> " << message);
        CHECK(one_line_naming(message, "model.safetensors"));
    }
}

TEST_CASE("every truncation and every flipped header bit is refused or still consistent, never undefined") {
    test::temporary_folder folder;
    safetensors file;
    file.metadata()["k"] = "v";
    file.add("a", {2, 2}, std::vector<float>{1, 2, 3, 4});
    file.add("b", {3}, std::vector<std::uint8_t>{1, 2, 3});
    file.write(folder / "x");
    const std::vector<std::byte> whole = io::read_bytes(folder / "x");
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CHECK_THROWS_AS(safetensors::parse({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}, "cut"),
                        file_error);
    }
    for (std::size_t bit = 0; bit < 8 * (whole.size() - 19); ++bit) {
        std::vector<std::byte> flipped = whole;
        flipped[bit / 8] ^= std::byte{1} << (bit % 8);
        try {
            const safetensors read = safetensors::parse(flipped, "flipped");
            for (const std::string& name : read.names()) static_cast<void>(read.values<double>(name));
        } catch (const file_error&) {
        }
    }
}

TEST_CASE("a model that does not fit on the disk leaves the earlier one") {
    test::temporary_folder folder;
    safetensors small, large;
    small.add("a", {1}, std::vector<float>{1});
    large.add("a", {100'000}, std::vector<float>(100'000));
    small.write(folder / "model.safetensors");
    std::string message;
    {
        test::disk_full full{10'000};
        message = message_of<file_error>([&] { large.write(folder / "model.safetensors"); });
    }
    INFO(message);
    CHECK(one_line_naming(message, (folder / "model.safetensors").string()));
    CHECK(safetensors::read(folder / "model.safetensors").values<float>("a") == std::vector<float>{1});
    CHECK(folder.files() == 1);
}

TEST_CASE("a file that is not there or is a folder is named") {
    test::temporary_folder folder;
    for (const auto& path : {folder / "absent.safetensors", folder.path()}) {
        CHECK(one_line_naming(message_of<file_error>([&] { safetensors::read(path); }), path.string()));
    }
}
