// SPDX-License-Identifier: MIT
#include <umsrep/loss/ms_ssim.hpp>

#include <tests/loss/check_loss.hpp>
#include <tests/support/message_of.hpp>
#include <umsrep/loss/ssim.hpp>

using namespace umsrep;
using test::loss_case;

namespace {

/// An image like its target but for noise: similar at every scale.
loss_case<double> similar_images(random_stream& random, shape s) {
    auto c = test::random_case(random, s, s, 0.1, [](random_stream& r) { return r.uniform(); });
    for (std::size_t i = 0; i < c.logits.size(); ++i)
        if (!std::isnan(c.target[i])) c.logits[i] += static_cast<double>(c.target[i]);
    return c;
}

} // namespace

TEST_CASE("MS-SSIM is its formula under PyTorch's autograd, odd sides and masks included") {
    test::check_against_pytorch(loss::ms_ssim{}, "ms_ssim.three");
    test::check_against_pytorch(loss::ms_ssim{.scales = 2}, "ms_ssim.two");
}

TEST_CASE("a scale below the floor counts as the floor and the others keep their gradient") {
    test::check_against_pytorch(loss::ms_ssim{}, "ms_ssim.floor");
}

TEST_CASE("MS-SSIM of five scales is its formula under PyTorch's autograd") {
    const int h = 176, w = 181;
    loss_case<double> c{1, {1, h, w}, {1, h, w}, {}, {}, {}};
    for (int y = 0; y < h; ++y)
        for (int x = 0; x < w; ++x) {
            c.target.push_back(static_cast<float>(0.5 + 0.25 * std::sin(0.13 * x) + 0.2 * std::sin(0.09 * y + 0.05 * x)));
            c.logits.push_back(static_cast<double>(
                static_cast<float>(static_cast<double>(c.target.back()) + 0.1 * std::sin(1.7 * x + 0.9 * y))));
        }
    const auto file = test::fixture("loss");
    // Not to the last digits: the two sines may round differently.
    CHECK(c.evaluate(loss::ms_ssim{}) == doctest::Approx(file.values<double>("ms_ssim.five/value").at(0)).epsilon(1e-7));
    const auto rows = file.values<double>("ms_ssim.five/gradient_rows");
    double largest = 0.0;
    for (const double r : rows) largest = std::max(largest, std::abs(r));
    for (int y = 0; y < h; ++y) {
        double sum = 0.0;
        for (int x = 0; x < w; ++x) sum += c.gradient[static_cast<std::size_t>(y * w + x)];
        REQUIRE(std::abs(sum - rows.at(static_cast<std::size_t>(y))) <= 1e-5 * largest);
    }
}

TEST_CASE("the gradient of MS-SSIM is the slope of its value") {
    for (const std::uint64_t s : {1u, 2u}) {
        CAPTURE(s);
        random_stream random{seed{s}, "ms_ssim"};
        const auto c =
            similar_images(random, {1, 44 + static_cast<int>(random.below(5)), 44 + static_cast<int>(random.below(5))});
        test::check_gradient(loss::ms_ssim{}, c, random, 40);
        test::check_gradient(loss::ms_ssim{.scales = 2}, c, random, 20);
        test::check_nothing_present(loss::ms_ssim{}, c);
    }
}

TEST_CASE("unless told otherwise MS-SSIM takes as many scales as the image has room for") {
    random_stream random{seed{3}, "ms_ssim"};
    const auto c = similar_images(random, {1, 22, 43});
    CHECK(c.value(loss::ms_ssim{}) == c.value(loss::ms_ssim{.scales = 2}));
    CHECK(c.value(loss::ms_ssim{.scales = 1}) == c.value(loss::ssim{}));
    static_assert(loss::detail::scales_that_fit({1, 128, 128}) == 4);
    static_assert(loss::detail::scales_that_fit({1, 175, 512}) == 4);
    static_assert(loss::detail::scales_that_fit({1, 176, 512}) == 5);
    static_assert(loss::detail::scales_that_fit({1, 4096, 4096}) == 5);
}

TEST_CASE("MS-SSIM names the smallest side that its scales need") {
    loss_case<float> c{1, {1, 40, 60}, {1, 40, 60}, std::vector<float>(2400), std::vector<float>(2400), {}};
    CHECK(test::message_of<shape_mismatch>([&] { c.evaluate(loss::ms_ssim{.scales = 5}); }) ==
          "ms_ssim image: expected a smallest side of at least 176 for 5 scales, got 40 x 60");
    CHECK(test::message_of<option_error>([&] { c.evaluate(loss::ms_ssim{.scales = 6}); }) ==
          "ms_ssim scales: expected 0 to 5, got 6");
    loss_case<float> small{1, {1, 40, 8}, {1, 40, 8}, std::vector<float>(320), std::vector<float>(320), {}};
    CHECK(test::message_of<shape_mismatch>([&] { small.evaluate(loss::ms_ssim{}); }) ==
          "ms_ssim image: expected a smallest side of at least 11 for 1 scale, got 40 x 8");
}
