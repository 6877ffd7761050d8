// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "../support/bits.hpp"
#include "../support/tiny.hpp"

using namespace umsrep;
using umsrep::test::tiny;

namespace {

xt::xtensor<float, 4> random_images(std::size_t n, std::size_t size, std::uint64_t which = 1) {
    auto images = xt::xtensor<float, 4>::from_shape({n, std::size_t{1}, size, size});
    random_stream r(seed{which}, "images");
    for (float& v : images) v = r.uniform();
    return images;
}

struct any_size : network<encoder<image<1, dynamic, dynamic>, stage<"e1", test::block<4>>, stage<"e2", max_pool<2>, test::block<8>>>,
                          head<"lungs", seq<test::up<"e1", 4>, conv<1, 1>>, loss::dice_bce>> {};

} // namespace

TEST_CASE("the same seed draws the same weights, another seed others") {
    const model<tiny> a{seed{1}}, b{seed{1}}, c{seed{2}};
    CHECK(test::same_bits(a.parameters(), b.parameters()));
    CHECK_FALSE(test::same_bits(a.parameters(), c.parameters()));
}

TEST_CASE("He and Xavier give each weight the variance of their papers") {
    struct wide : network<encoder<image<1, 8, 8>, stage<"e1", conv<64, 3>, conv<48, 3>>>,
                          head<"h", seq<global_avg_pool, linear<400>>, loss::cross_entropy>> {};
    for (const auto& [how, conv_variance, linear_variance] :
         {std::tuple{initialization::he, 2.0 / (64 * 9), 2.0 / 48}, std::tuple{initialization::xavier, 2.0 / (64 * 9 + 48 * 9), 2.0 / (48 + 400)}}) {
        model<wide> m{seed{3}, batch{1}, threads{1}, how};
        for (const auto& t : m.tensors()) {
            double sum = 0, squares = 0;
            for (const float v : t.values) {
                sum += static_cast<double>(v);
                squares += static_cast<double>(v) * static_cast<double>(v);
            }
            const double n = static_cast<double>(t.values.size());
            if (t.name == "encoder.e1.1.weight") CHECK(squares / n == doctest::Approx(conv_variance).epsilon(0.05));
            if (t.name == "h.1.weight") CHECK(squares / n == doctest::Approx(linear_variance).epsilon(0.05));
            if (t.name.ends_with(".bias")) CHECK(squares == 0.0);
            if (t.name.ends_with(".weight")) CHECK(std::abs(sum / n) < 4 * std::sqrt(conv_variance + linear_variance) / std::sqrt(n));
        }
    }
}

TEST_CASE("tensors have PyTorch's names and shapes, each once, and cover every parameter") {
    model<tiny> m{seed{1}};
    std::set<std::string> names;
    std::size_t parameters = 0, statistics = 0;
    for (const auto& t : m.tensors()) {
        CHECK(names.insert(t.name).second);
        std::size_t product = 1;
        for (const std::size_t d : t.shape) product *= d;
        CHECK(product == t.values.size());
        (t.statistic ? statistics : parameters) += t.values.size();
    }
    CHECK(parameters == m.parameters().size());
    CHECK(statistics == m.statistics().size());
    CHECK(names.contains("encoder.e2.1.0.weight"));
    CHECK(names.contains("encoder.e2.1.1.running_var"));
    CHECK(names.contains("denoise.0.0.bias"));
    CHECK(names.contains("finding.1.weight"));
}

TEST_CASE("predict gives every head its shape and activation") {
    model<tiny> m{seed{1}, batch{2}};
    const auto p = m.predict(random_images(3, 16));
    CHECK(p.get<"denoise">().shape() == std::array<std::size_t, 4>{3, 1, 16, 16});
    const auto& finding = p.get<"finding">();
    CHECK(finding.shape() == std::array<std::size_t, 4>{3, 3, 1, 1});
    for (std::size_t i = 0; i < 3; ++i) CHECK(finding(i, 0, 0, 0) + finding(i, 1, 0, 0) + finding(i, 2, 0, 0) == doctest::Approx(1));
    for (const float v : p.get<"lungs">()) {
        CHECK(v >= 0.0f);
        CHECK(v <= 1.0f);
    }
}

TEST_CASE("a prediction does not depend on the batch it is computed in, nor on the number of threads") {
    const auto images = random_images(5, 16);
    model<tiny> one{seed{1}, batch{1}, threads{1}}, four{seed{1}, batch{4}, threads{3}};
    const auto a = one.predict(images), b = four.predict(images);
    for (std::size_t h = 0; h < 3; ++h) CHECK(test::same_bits(a.outputs[h], b.outputs[h]));
}

TEST_CASE("images of another size or channel count are refused by name") {
    model<tiny> m{seed{1}};
    CHECK_THROWS_WITH_AS(m.predict(random_images(1, 20)), "images: expected (N, 1, 16, 16), got (N, 1, 20, 20)", shape_mismatch);
}

TEST_CASE("a dynamic network takes its size when it is built, and says what a wrong size breaks") {
    model<any_size> m{seed{1}, extent{20, 12}};
    CHECK(m.image() == shape{1, 20, 12});
    auto images = xt::xtensor<float, 4>::from_shape({1, 1, 20, 12});
    images.fill(0.5f);
    CHECK(m.predict(images).get<"lungs">().shape() == std::array<std::size_t, 4>{1, 1, 20, 12});
    CHECK_THROWS_WITH_AS((model<any_size>{seed{1}, extent{21, 12}}), doctest::Contains("lungs"), shape_mismatch);
}

TEST_CASE("a prediction of another size is not written to") {
    model<any_size> small{seed{1}, extent{8, 8}}, large{seed{1}, extent{16, 24}};
    auto images = xt::xtensor<float, 4>::from_shape({1, 1, 8, 8});
    images.fill(0.5f);
    auto p = small.predict(images);
    auto larger = xt::xtensor<float, 4>::from_shape({1, 1, 16, 24});
    larger.fill(0.5f);
    CHECK_THROWS_WITH_AS(large.predict_into(larger, p), doctest::Contains("lungs"), shape_mismatch);
}

TEST_CASE("the weights of a dynamic network fit every size") {
    model<any_size> small{seed{1}, extent{8, 8}}, large{seed{1}, extent{16, 24}};
    CHECK(test::same_bits(small.parameters(), large.parameters()));
    small.parameters()[0] = 7;
    large.assign(small);
    CHECK(test::same_bits(small.parameters(), large.parameters()));
}

TEST_CASE("global max pooling gives each channel's largest value, whatever the size") {
    struct largest : network<encoder<image<2, dynamic, dynamic>, stage<"same", conv<2, 1, groups<2>, no_bias>>>, head<"max", global_max_pool, loss::l2>> {};
    for (const extent size : {extent{1, 1}, extent{3, 5}, extent{8, 2}}) {
        model<largest> m{seed{1}, size};
        std::fill(m.parameters().begin(), m.parameters().end(), 1.0f);
        auto images = xt::xtensor<float, 4>::from_shape({2, 2, static_cast<std::size_t>(size.h), static_cast<std::size_t>(size.w)});
        random_stream r(seed{2}, "images");
        for (float& v : images) v = -r.uniform();
        const auto p = m.predict(images);
        const std::size_t plane = static_cast<std::size_t>(size.h * size.w);
        for (std::size_t c = 0; c < 4; ++c)
            CHECK(p.get<"max">().data()[c] == *std::max_element(images.data() + c * plane, images.data() + (c + 1) * plane));
    }
}

TEST_CASE("a clone predicts the same and is independent") {
    model<tiny> m{seed{1}};
    model<tiny> twin = m.clone();
    const auto images = random_images(1, 16);
    CHECK(test::same_bits(m.predict(images).outputs[0], twin.predict(images).outputs[0]));
    twin.parameters()[0] += 1;
    CHECK_FALSE(test::same_bits(m.parameters(), twin.parameters()));
}

TEST_CASE("what is allocated is what the constant plan says") {
    static constexpr auto& planned = plan<tiny, train<joint<all>>>;
    thread_pool pool{1};
    const graph g = lower<tiny>();
    executor<reference<float>> e(g, joint<all>::value(g.stage_count()), 4, pool);
    CHECK(e.plan().arena == planned.arena);
    CHECK(std::equal(planned.steps.begin(), planned.steps.end(), e.plan().steps.begin(), e.plan().steps.end()));
    CHECK(std::equal(planned.buffers.begin(), planned.buffers.end(), e.plan().buffers.begin(), e.plan().buffers.end()));
}

TEST_CASE_TEMPLATE("a model's table ends with what computes it", Backend, cpu<>, cpu<exact>, reference<double>) {
    const model<tiny, Backend> one{seed{1}}, two{seed{1}, batch{1}, threads{2}};
    CHECK(describe(one).starts_with(describe<tiny>()));
    CHECK(describe(one).ends_with("computed by " + describe_backend<Backend>() + "; 1 thread\n"));
    CHECK(two.computed_by() == describe_backend<Backend>() + "; 2 threads");
}

TEST_CASE("a backend is described with the instruction set that it uses") {
    CHECK(describe_backend<reference<double>>() == "reference");
    CHECK(describe_backend<cpu<>>() == std::string("cpu, ") + cpu<>::instruction_set());
    CHECK(describe_backend<cpu<exact>>() == std::string("cpu<exact>, ") + cpu<>::instruction_set());
}
