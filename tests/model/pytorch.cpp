// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "../support/network_fixture.hpp"

using namespace umsrep;
using test::tiny;

// The fixture holds PyTorch's float64 results rounded to float32; ours in float may be 1e-5 of a tensor's largest value away from them.
TEST_CASE_TEMPLATE("a U-Net with three heads agrees with PyTorch: losses, gradients, five AdamW steps", Scalar, float, double) {
    test::check_training_against_pytorch<reference<Scalar>>({});
}

TEST_CASE("outputs before the output activation agree with PyTorch") {
    const auto f = test::fixture("network");
    model<tiny> m{seed{1}, batch{4}};
    test::start_as_in(f, m);
    const data::batch b = test::batch_of(f);
    mode what = joint<all>::value(3);
    executor<reference<float>> e(m.network(), what, 4, m.pool());
    e.set_input(4, b.images.data());
    std::vector<float> gradients(m.parameters().size());
    e.run(4, {m.parameters().data(), m.statistics().data(), gradients.data(), 0}, seed{0}, 0,
          [&](int h, tensor_view<float> logits, tensor_view<float> gradient) {
              const std::string name(m.network().heads[static_cast<std::size_t>(h)].name);
              CAPTURE(name);
              CHECK(test::relative_error(std::span<const float>(logits.data, static_cast<std::size_t>(logits.size())),
                                         f.values<double>("output/" + name)) <= 1e-5);
              std::fill(gradient.begin(), gradient.end(), 0.0f);
          });
}
