// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <vector>

#include <tests/support/bits.hpp>
#include <tests/support/fixture.hpp>
#include <tests/support/message_of.hpp>
#include <umsrep/core/thread_pool.hpp>
#include <umsrep/optim/l2_sp.hpp>
#include <umsrep/optim/sgd.hpp>

using namespace umsrep;

TEST_CASE("ten steps of SGD with L2-SP are PyTorch's with the penalty in its loss") {
    const io::safetensors known = test::fixture("optim");
    const auto gradients = known.values<double>("gradients"), reference = known.values<double>("l2_sp.reference"),
               expected = known.values<double>("l2_sp");
    std::vector<double> w = known.values<double>("start"), momentum(w.size(), 0);
    const std::size_t n = w.size();
    const optim::sgd sgd{.lr = 0.05, .momentum = 0.9};
    for (std::size_t step = 0; step < 10; ++step) {
        std::vector<double> g(gradients.begin() + static_cast<std::ptrdiff_t>(step * n), gradients.begin() + static_cast<std::ptrdiff_t>((step + 1) * n));
        optim::add_l2_sp(std::span{g}, w, reference, 0.3);
        sgd.update(std::span{w}, std::span<const double>(g), {std::span{momentum}}, static_cast<std::int64_t>(step) + 1, sgd.lr, 0.0);
        const std::vector<double> row(expected.begin() + static_cast<std::ptrdiff_t>(step * n), expected.begin() + static_cast<std::ptrdiff_t>((step + 1) * n));
        REQUIRE(test::relative_error(w, row) < 1e-12);
    }
}

TEST_CASE("L2-SP has the same bits on any number of threads, and refuses arrays of different lengths") {
    std::vector<float> w(100000), start(w.size()), alone(w.size()), together(w.size());
    for (std::size_t i = 0; i < w.size(); ++i) {
        w[i] = static_cast<float>(i % 97) * 0.01f;
        start[i] = static_cast<float>(i % 89) * 0.02f;
        alone[i] = together[i] = static_cast<float>(i % 83) * 0.03f;
    }
    thread_pool pool(3);
    optim::add_l2_sp(std::span{alone}, w, start, 0.7);
    optim::add_l2_sp(std::span{together}, w, start, 0.7, &pool);
    CHECK(test::same_bits(alone, together));
    CHECK(test::message_of<shape_mismatch>([&] { optim::add_l2_sp(std::span{alone}, w, std::span(start).first(3), 0.7); }) ==
          "L2-SP: expected 100000 weights and starting weights, got 100000 and 3");
}
