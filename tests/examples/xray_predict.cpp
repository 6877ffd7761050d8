// SPDX-License-Identifier: MIT
#ifdef UMSREP_XRAY

#include <doctest/doctest.h>

#include <tests/examples/xray.hpp>

using namespace umsrep::test;
using namespace umsrep::test::xray;

TEST_CASE("xray evaluate finds what xray train found on the same images") {
    const temporary_folder folder;
    succeed({"evaluate", "--model", (finished_run() / "model.safetensors").string(), "--simulated", "18", "--threads", "2", "--out",
             (folder / "test.json").string(), "--panel", (folder / "test.png").string()});
    const auto trained = json_of(finished_run() / "metrics.json"), evaluated = json_of(folder / "test.json");
    for (const char* head : {"denoise", "lungs", "finding"}) CHECK(evaluated.at(head) == trained.at(head));
    CHECK(content_of(folder / "test.png") == content_of(finished_run() / "panel.png"));
}

TEST_CASE("xray predict writes the denoised image, the mask, an overlay and probabilities for images of any size") {
    const temporary_folder folder;
    write_picture(folder / "small.png", 40, 56);
    write_picture(folder / "large.png", 130, 90);
    const fs::path out = folder / "predicted";
    succeed({"predict", "--model", (finished_run() / "model.safetensors").string(), (folder / "small.png").string(),
             (folder / "large.png").string(), "--out", out.string()});
    CHECK(contents_of(out).size() == 8);
    const auto json = json_of(out / "large.json");
    double sum = 0;
    for (const auto& p : json.at("finding").at("probabilities")) sum += p.get<double>();
    CHECK(sum == doctest::Approx(1));
    CHECK(json.at("height") == 130);
    CHECK(json.at("note").get<std::string>().find("not a clinical finding") != std::string::npos);

    using umsrep::io::read_image;
    const auto mask = read_image(out / "large.lungs.png");
    CHECK(mask.shape()[1] == 130);
    CHECK(mask.shape()[2] == 90);
    CHECK(std::all_of(mask.data(), mask.data() + mask.size(), [](float v) { return v == 0 || v == 1; }));
    const auto overlay = read_image(out / "large.overlay.png", umsrep::io::colour::rgb);
    CHECK(overlay.shape()[1] == 130);
    CHECK(read_image(out / "large.denoised.png").shape()[1] == 32); // the size that the network was trained for
}

#endif
