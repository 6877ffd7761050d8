// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <tests/examples/program.hpp>
#include <umsrep/data/sample.hpp>
#include <umsrep/io/image.hpp>

/// The program examples/xray, as its user sees it.
namespace umsrep::test::xray {

namespace fs = std::filesystem;
using words = std::vector<std::string>;

inline words operator+(words a, const words& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

struct outcome {
    int code;
    std::string out, err;
};

inline outcome run(const words& arguments) {
    process p{UMSREP_XRAY, arguments};
    const int code = p.wait();
    return {code, p.out(), p.err()};
}

inline void succeed(const words& arguments) {
    const outcome o = run(arguments);
    INFO(o.err);
    REQUIRE(o.code == 0);
}

/// The last line that a refused command writes, without its line end.
inline std::string refusal(const words& arguments) {
    const outcome o = run(arguments);
    INFO(o.err);
    CHECK(o.code == 2);
    CHECK(o.out.empty());
    std::string text = o.err;
    REQUIRE(text.ends_with('\n'));
    text.pop_back();
    const std::string line = text.substr(text.rfind('\n') + 1);
    CHECK(line.starts_with("xray: "));
    return line;
}

inline nlohmann::json json_of(const fs::path& file) { return nlohmann::json::parse(content_of(file)); }

/// Seconds on one core: few and small simulated images.
inline words tiny(const fs::path& out, int epochs = 2, int threads = 1) {
    return {"train", "--simulated", "18", "--size", "32", "--batch", "6", "--checkpoint-every", "1", "--epochs", std::to_string(epochs),
            "--threads", std::to_string(threads), "--out", out.string()};
}

/// One finished tiny run, made once for all tests; they do not change it.
inline const fs::path& finished_run() {
    static const temporary_folder folder;
    static const fs::path run_path = [] {
        const fs::path path = folder / "run";
        succeed(tiny(path));
        return path;
    }();
    return run_path;
}

/// A picture with some structure.
inline void write_picture(const fs::path& file, int height, int width) {
    data::tensor image = data::uninitialized({1, height, width});
    for (std::size_t y = 0; y < image.shape()[1]; ++y)
        for (std::size_t x = 0; x < image.shape()[2]; ++x) image(0, y, x) = static_cast<float>((3 * x + 5 * y) % 64) / 64;
    io::write_png(file, image);
}

/// A folder in the layout of Kermany et al. with two images of each class in each split.
inline void write_findings(const fs::path& folder) {
    int patient = 0;
    for (const char* split : {"train", "val", "test"})
        for (int i = 0; i < 2; ++i) {
            ++patient;
            const std::string p = std::to_string(patient);
            fs::create_directories(folder / split / "NORMAL");
            fs::create_directories(folder / split / "PNEUMONIA");
            write_picture(folder / split / "NORMAL" / ("IM-0" + p + "-0001.jpeg"), 40, 48);
            write_picture(folder / split / "PNEUMONIA" / ("person" + p + "_bacteria_1.jpeg"), 40, 48);
            write_picture(folder / split / "PNEUMONIA" / ("person" + std::to_string(100 + patient) + "_virus_1.jpeg"), 40, 48);
        }
}

/// images, masks and MANIFEST with two rows for each of the splits, the second of each without a mask where so asked.
inline void write_lungs(const fs::path& folder, bool some_without_mask = false, const words& splits = {"train", "val", "test"}) {
    fs::create_directories(folder);
    std::ofstream csv{folder / "manifest.csv"};
    csv << "file,mask,dataset,split\n";
    for (const std::string& split : splits)
        for (int i = 0; i < 2; ++i) {
            const std::string name = split + std::to_string(i) + ".png", mask = "mask_" + name;
            write_picture(folder / name, 40, 48);
            write_picture(folder / mask, 40, 48);
            csv << name << ',' << (some_without_mask && i == 1 ? "" : mask) << ",set" << i << ',' << split << '\n';
        }
}

} // namespace umsrep::test::xray
