// SPDX-License-Identifier: MIT
#include <umsrep/metric/image_quality.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <tests/support/fixture.hpp>
#include <umsrep/core/random.hpp>

using namespace umsrep;
using namespace umsrep::metric;

namespace {

std::vector<float> random_image(std::size_t pixels, std::uint64_t index) {
    random_stream draw{seed{3}, "image", index};
    std::vector<float> image(pixels);
    for (float& pixel : image) pixel = draw.uniform();
    return image;
}

/// SSIM written as Wang's sums over a two-dimensional window, nothing shared with the header.
double ssim_by_definition(const std::vector<float>& a, const std::vector<float>& b, int height, int width) {
    const auto weight = [](int dy, int dx) { return std::exp(-(dy * dy + dx * dx) / (2 * 1.5 * 1.5)); };
    const auto at = [&](const std::vector<float>& v, int y, int x) { return static_cast<double>(v[static_cast<std::size_t>(y * width + x)]); };
    double sum = 0, windows = 0;
    for (int y = 5; y + 5 < height; ++y)
        for (int x = 5; x + 5 < width; ++x) {
            double w = 0, ma = 0, mb = 0, va = 0, vb = 0, cov = 0;
            for (int dy = -5; dy <= 5; ++dy)
                for (int dx = -5; dx <= 5; ++dx) {
                    w += weight(dy, dx);
                    ma += weight(dy, dx) * at(a, y + dy, x + dx);
                    mb += weight(dy, dx) * at(b, y + dy, x + dx);
                }
            ma /= w;
            mb /= w;
            for (int dy = -5; dy <= 5; ++dy)
                for (int dx = -5; dx <= 5; ++dx) {
                    const double da = at(a, y + dy, x + dx) - ma, db = at(b, y + dy, x + dx) - mb, k = weight(dy, dx) / w;
                    va += k * da * da;
                    vb += k * db * db;
                    cov += k * da * db;
                }
            sum += (2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma * ma + mb * mb + 1e-4) * (va + vb + 9e-4));
            ++windows;
        }
    return sum / windows;
}

} // namespace

TEST_CASE("PSNR is 20 dB for an error of one tenth of the range everywhere") {
    const std::vector<float> zero(30, 0.0f), tenth(30, 0.1f), tenth_of_255(30, 25.5f);
    CHECK(psnr(tenth, zero) == doctest::Approx(20.0).epsilon(1e-7));
    CHECK(psnr(tenth_of_255, zero, 255.0) == doctest::Approx(20.0).epsilon(1e-7));
    CHECK(mean_squared_error(tenth, zero) == doctest::Approx(0.01).epsilon(1e-7));
}

TEST_CASE("equal images have infinite PSNR and an SSIM of 1") {
    const auto image = random_image(15 * 13, 0);
    CHECK(psnr(image, image) == std::numeric_limits<double>::infinity());
    CHECK(ssim(image, image, 15, 13) == doctest::Approx(1.0).epsilon(1e-14));
}

TEST_CASE("SSIM of two constant images is their luminance term") {
    const std::vector<float> a(121, 0.25f), b(121, 0.5f);
    CHECK(ssim(a, b, 11, 11) == doctest::Approx((2 * .25 * .5 + 1e-4) / (.25 * .25 + .5 * .5 + 1e-4)).epsilon(1e-12));
}

TEST_CASE("SSIM is the definition, window by window") {
    const auto a = random_image(17 * 14, 1), b = random_image(17 * 14, 2);
    CHECK(ssim(a, b, 17, 14) == doctest::Approx(ssim_by_definition(a, b, 17, 14)).epsilon(1e-12));
    CHECK(ssim(a, b, 17, 14) == doctest::Approx(ssim(b, a, 17, 14)).epsilon(1e-12));
}

TEST_CASE("PSNR and SSIM agree with scikit-image") {
    const auto file = test::fixture("metric");
    for (const std::string name : {"wide", "tall", "least"}) {
        CAPTURE(name);
        const auto clean = file.values<float>(name + ".clean"), noisy = file.values<float>(name + ".noisy");
        const auto size = file.shape(name + ".clean");
        CHECK(psnr(noisy, clean) == doctest::Approx(file.values<double>(name + ".psnr")[0]).epsilon(1e-10));
        CHECK(ssim(noisy, clean, size[0], size[1]) == doctest::Approx(file.values<double>(name + ".ssim")[0]).epsilon(1e-10));
    }
}

TEST_CASE("a batch is averaged over its images; pooled PSNR is of the pooled error") {
    constexpr std::size_t h = 12, w = 13, c = 2, plane = h * w;
    const std::vector<float> reference(2 * c * plane, 0.5f);
    auto image = reference;
    for (std::size_t i = 0; i < c * plane; ++i) image[i] += 0.1f;         // 20 dB
    for (std::size_t i = c * plane; i < image.size(); ++i) image[i] += 0.01f; // 40 dB
    image_quality q;
    q.add(image, reference, h, w, c);
    REQUIRE(q.psnr_per_image().size() == 2);
    CHECK(q.psnr_per_image()[0] == doctest::Approx(20).epsilon(1e-5));
    CHECK(q.mean_psnr() == doctest::Approx(30).epsilon(1e-5));
    CHECK(q.pooled_psnr() == doctest::Approx(-10 * std::log10((0.01 + 0.0001) / 2)).epsilon(1e-5));

    const auto a = random_image(2 * plane, 5), b = random_image(2 * plane, 6);
    image_quality channels, images;
    channels.add(a, b, h, w, 2);
    images.add(a, b, h, w, 1);
    CHECK(channels.ssim_per_image().size() == 1);
    CHECK(images.ssim_per_image().size() == 2);
    CHECK(channels.mean_ssim() == doctest::Approx(images.mean_ssim()));
}

TEST_CASE("pooled PSNR does not depend on how the images came in batches") {
    const auto a = random_image(4 * 144, 7), b = random_image(4 * 144, 8);
    image_quality whole, parts;
    whole.add(a, b, 12, 12);
    for (std::size_t i = 0; i < 4; ++i) parts.add(std::span{a}.subspan(i * 144, 144), std::span{b}.subspan(i * 144, 144), 12, 12);
    CHECK(whole.pooled_psnr() == doctest::Approx(parts.pooled_psnr()).epsilon(1e-12));
    CHECK(whole.mean_psnr() == parts.mean_psnr());
}

TEST_CASE("image quality of nothing is NaN") {
    const image_quality q;
    CHECK(std::isnan(q.mean_psnr()));
    CHECK(std::isnan(q.pooled_psnr()));
    CHECK(std::isnan(q.mean_ssim()));
}

TEST_CASE("images of other sizes or too small for the window throw") {
    const std::vector<float> image(144), small(100);
    CHECK_THROWS_AS(psnr(image, small), shape_mismatch);
    CHECK_THROWS_WITH_AS(ssim(small, small, 10, 10), "ssim: expected an image of at least 11x11, got 10x10", shape_mismatch);
    CHECK_THROWS_AS(ssim(image, image, 12, 13), shape_mismatch);
    image_quality q;
    CHECK_THROWS_AS(q.add(image, small, 12, 12), shape_mismatch);
    CHECK_THROWS_AS(q.add(image, image, 12, 12, 2), shape_mismatch);
    CHECK_THROWS_AS(q.add(image, image, 0, 12), shape_mismatch);
    CHECK(q.psnr_per_image().empty());
}
