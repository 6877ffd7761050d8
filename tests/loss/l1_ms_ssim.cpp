// SPDX-License-Identifier: MIT
#include <umsrep/loss/l1_ms_ssim.hpp>

#include <tests/loss/check_loss.hpp>
#include <tests/support/message_of.hpp>

using namespace umsrep;

TEST_CASE("absolute error with MS-SSIM is their mixture under PyTorch's autograd") {
    test::check_against_pytorch(loss::l1_ms_ssim{}, "l1_ms_ssim");
}

TEST_CASE("the gradient of absolute error with MS-SSIM is the slope of its value") {
    random_stream random{seed{1}, "l1_ms_ssim"};
    auto c = test::random_case(random, {1, 23, 24}, {1, 23, 24}, 0.1, [](random_stream& r) { return r.uniform(); });
    for (std::size_t i = 0; i < c.logits.size(); ++i)
        if (!std::isnan(c.target[i])) c.logits[i] += static_cast<double>(c.target[i]);
    test::check_gradient(loss::l1_ms_ssim{}, c, random, 60);
    test::check_nothing_present(loss::l1_ms_ssim{}, c);
}

TEST_CASE("at the ends of alpha only one part is left") {
    random_stream random{seed{2}, "l1_ms_ssim"};
    auto c = test::random_case(random, {2, 23, 24}, {2, 23, 24}, 0.5, [](random_stream& r) { return r.uniform(); });
    CHECK(c.evaluate(loss::l1_ms_ssim{.alpha = 1.0}) == c.evaluate(loss::ms_ssim{}));
    CHECK(c.evaluate(loss::l1_ms_ssim{.alpha = 0.0}) == c.evaluate(loss::l1{}));
    CHECK(test::message_of<option_error>([&] { c.evaluate(loss::l1_ms_ssim{.alpha = -0.1}); }) ==
          "l1_ms_ssim alpha: expected a value in [0, 1], got -0.1");
}
