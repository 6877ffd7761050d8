// SPDX-License-Identifier: MIT
#include <umsrep/loss/ssim.hpp>

#include <tests/loss/check_loss.hpp>
#include <tests/support/message_of.hpp>

using namespace umsrep;
using test::loss_case;

TEST_CASE("SSIM is that of a two-dimensional window under PyTorch's autograd") {
    test::check_against_pytorch(loss::ssim{}, "ssim");
    test::check_against_pytorch(loss::ssim{}, "ssim.anticorrelated");
}

TEST_CASE("the gradient of SSIM is the slope of its value") {
    for (const std::uint64_t s : {1u, 2u}) {
        CAPTURE(s);
        random_stream random{seed{s}, "ssim"};
        const shape size{2, 11 + static_cast<int>(random.below(6)), 11 + static_cast<int>(random.below(6))};
        const auto c = test::random_case(random, size, size, 0.3, [](random_stream& r) { return r.uniform(); });
        test::check_gradient(loss::ssim{}, c, random, 60);
        test::check_nothing_present(loss::ssim{}, c);
    }
}

TEST_CASE("an image is wholly similar to itself, and there the loss is flat") {
    random_stream random{seed{5}, "ssim"};
    loss_case<float> c{1, {1, 16, 12}, {1, 16, 12}, {}, {}, {}};
    for (int i = 0; i < 16 * 12; ++i) c.logits.push_back(random.uniform());
    c.target = c.logits;
    CHECK(c.evaluate(loss::ssim{}) == doctest::Approx(0.0).epsilon(1e-12));
    for (const float g : c.gradient) REQUIRE(std::abs(g) < 1e-12f);
}

TEST_CASE("the gradient is the slope at every element of an image several windows high") {
    random_stream random{seed{6}, "ssim"};
    const shape size{1, 36, 13};
    const auto c = test::random_case(random, size, size, 0.3, [](random_stream& r) { return r.uniform(); });
    test::check_gradient(loss::ssim{}, c, random, static_cast<int>(3 * size.size()));
}

TEST_CASE("SSIM refuses images below its window and scratch that is too small") {
    loss_case<float> c{1, {1, 10, 40}, {1, 10, 40}, std::vector<float>(400), std::vector<float>(400), {}};
    CHECK(test::message_of<shape_mismatch>([&] { c.evaluate(loss::ssim{}); }) ==
          "ssim image: expected a smallest side of at least 11 for 1 scale, got 10 x 40");
    const std::vector<float> image(121);
    const shape s{1, 11, 11};
    CHECK(test::message_of<shape_mismatch>([&] {
              loss::ssim{}.evaluate(tensor_view<const float>{image.data(), 1, s}, tensor_view<const float>{image.data(), 1, s},
                                    {}, 1.0, {});
          }) == "ssim scratch: expected at least 1596 doubles, got 0");
}
