// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "../support/bits.hpp"
#include "../support/fixture.hpp"
#include "../support/tiny.hpp"

using namespace umsrep;
using test::tiny;

namespace {

template <class Backend>
void start_as_in(const io::safetensors& f, model<tiny, Backend>& m) {
    for (auto& t : m.tensors()) {
        const auto values = f.values<typename Backend::scalar>("initial/" + t.name);
        REQUIRE(f.shape("initial/" + t.name) == t.shape);
        std::copy(values.begin(), values.end(), t.values.begin());
    }
}

data::batch batch_of(const io::safetensors& f) {
    data::batch b;
    const auto fill = [&](const std::string& name, std::array<std::size_t, 4> shape) {
        auto t = xt::xtensor<float, 4>::from_shape(shape);
        const auto values = f.values<float>(name);
        REQUIRE(values.size() == t.size());
        std::copy(values.begin(), values.end(), t.data());
        return t;
    };
    b.images = fill("input", {4, 1, 16, 16});
    b.heads = {{fill("target/denoise", {4, 1, 16, 16}), std::vector<std::uint8_t>(4, 1)},
               {fill("target/lungs", {4, 1, 16, 16}), std::vector<std::uint8_t>(4, 1)},
               {fill("target/finding", {4, 1, 1, 1}), std::vector<std::uint8_t>(4, 1)}};
    b.ids.assign(4, "fixture");
    b.groups.assign(4, "");
    return b;
}

} // namespace

// The fixture holds PyTorch's float64 results rounded to float32; ours in float may be 1e-5 of a tensor's largest value away from them.
TEST_CASE_TEMPLATE("a U-Net with three heads agrees with PyTorch: losses, gradients, five AdamW steps", Scalar, float, double) {
    const auto f = test::fixture("network");
    model<tiny, reference<Scalar>> m{seed{1}, batch{4}};
    start_as_in(f, m);
    const data::batch b = batch_of(f);
    trainer t{m, joint<all>{}, optim::adamw{.lr = 1e-3, .weight_decay = 1e-2}, batch{4}};

    const std::vector<double> loss = t.step(b);
    const char* heads[] = {"denoise", "lungs", "finding"};
    for (std::size_t h = 0; h < 3; ++h) CHECK(loss[h] == doctest::Approx(f.values<double>(std::string("loss/") + heads[h])[0]).epsilon(1e-6));
    for (const auto& g : t.gradients()) {
        CAPTURE(g.name);
        CHECK(test::relative_error(g.values, f.values<double>("gradient/" + g.name)) <= 1e-5);
    }
    std::size_t in_pytorch = 0;
    for (const std::string& name : f.names()) in_pytorch += name.starts_with("gradient/") ? 1U : 0U;
    CHECK(t.gradients().size() == in_pytorch);

    const auto sums = f.values<double>("loss_after");
    for (std::size_t step = 1; step < 5; ++step) {
        const std::vector<double> now = t.step(b);
        CHECK(now[0] + now[1] + now[2] == doctest::Approx(sums[step]).epsilon(1e-5));
    }
    for (const auto& p : m.tensors()) {
        CAPTURE(p.name);
        CHECK(test::relative_error(p.values, f.values<double>("after/" + p.name)) <= 1e-5);
    }
}

TEST_CASE("outputs before the output activation agree with PyTorch") {
    const auto f = test::fixture("network");
    model<tiny> m{seed{1}, batch{4}};
    start_as_in(f, m);
    const data::batch b = batch_of(f);
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
