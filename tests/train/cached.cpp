// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <vector>

#include <umsrep/data/noise.hpp>
#include <umsrep/network/features.hpp>

#include "../backend/deferring.hpp"
#include "../support/bits.hpp"
#include "../support/message_of.hpp"
#include "../support/tiny.hpp"

using namespace umsrep;
using test::same_bits;
using test::tiny_dataset;
using test::tiny_loader;

namespace cached_test {

/// Heads that read the deepest stage, an earlier one, a value within a stage and the image; the deepest stage ends in a concatenation.
struct three_stages : encoder<image<1, 16, 16>,
    stage<"e1", tap<"image">, conv<4, 3, no_bias>, batch_norm, tap<"inner">, relu>,
    stage<"e2", max_pool<2>, conv<4, 3, no_bias>, batch_norm, relu>,
    stage<"e3", max_pool<2>, concat_of<conv<4, 3>, seq<conv<4, 3, no_bias>, batch_norm, relu>>>> {};
struct all_taps : network<three_stages,
    head<"denoise", seq<upsample_bilinear<4>, concat<"e1">, conv<1, 3>, add<"image">>, loss::l1>,
    head<"lungs", seq<conv<4, 1>, add<"inner">, batch_norm, relu, dropout<0.2>, conv<1, 1>>, loss::dice_bce, from<"e1">>,
    head<"finding", seq<batch_norm, relu, global_avg_pool, linear<3>>, loss::cross_entropy>> {};

struct outcome {
    std::vector<double> losses;
    std::size_t computed = 0, bytes = 0;
};

template <class Strategy, class Backend>
outcome train_so(model<all_taps, Backend>& m, std::size_t feature_bytes = std::size_t{1} << 30) {
    auto samples = tiny_loader(m, {10}); // 4, 4 and 2 in a batch
    auto valid = tiny_loader(m, {5, [](std::size_t i) { return i == 4 ? 3U : 7U; }}, 2, false);
    train_options how;
    how.feature_bytes = feature_bytes;
    trainer t{m, Strategy{}, optim::adamw{.lr = 1e-2}, batch{4}, how};
    outcome result;
    for (const epoch_record& e : t.fit(samples, &valid, {.epochs = 3, .keep_best = false}).epochs)
        for (const auto* losses : {&e.train_loss, &e.valid_loss}) result.losses.insert(result.losses.end(), losses->begin(), losses->end());
    if (t.features() != nullptr) {
        result.computed = t.features()->computed();
        result.bytes = t.features()->bytes();
    }
    return result;
}

template <class Strategy, class Backend>
void check_same() {
    model<all_taps, Backend> plain{seed{1}}, kept{seed{1}}, none_kept{seed{1}};
    const outcome a = train_so<Strategy>(plain), b = train_so<cached<Strategy>>(kept), c = train_so<cached<Strategy>>(none_kept, 0);
    for (const auto* other : {&kept, &none_kept}) {
        CHECK(same_bits(plain.parameters(), other->parameters()));
        CHECK(same_bits(plain.statistics(), other->statistics()));
    }
    CHECK(same_bits(a.losses, b.losses));
    CHECK(same_bits(a.losses, c.losses));
    CHECK(a.computed == 0);
    CHECK(b.computed == 10 + 5); // validation samples have names of their own
    CHECK(c.computed == 3 * 15);
    CHECK(b.bytes > 0);
    CHECK(c.bytes == 0);
}

TEST_CASE_TEMPLATE("training on kept features ends in the bits of training without, and runs the encoder once for each sample", Backend,
                   reference<float>, cpu<>, test::deferring) {
    check_same<joint<frozen>, Backend>();
    check_same<joint<last<1>>, Backend>();
    check_same<alternating<frozen>, Backend>();
    check_same<checkpointed<joint<last<2>, norm_statistics::frozen>>, Backend>();
}

TEST_CASE("independent tasks on kept features end in the same heads as joint ones") {
    using models = task_models<all_taps, reference<float>>;
    models together{model<all_taps, reference<float>>{seed{1}}}, apart{model<all_taps, reference<float>>{seed{1}}};
    auto samples = tiny_loader(together.of(0));
    const fit_options o{.epochs = 2, .keep_best = false};
    fit(together, joint<frozen>{}, samples, nullptr, optim::adamw{.lr = 1e-2}, o);
    fit(apart, cached<independent<frozen>>{}, samples, nullptr, optim::adamw{.lr = 1e-2}, o);
    REQUIRE(apart.size() == 1);
    CHECK(same_bits(together.of(0).parameters(), apart.of(0).parameters()));
}

TEST_CASE("random augmentation with kept features is refused by the sample's name") {
    model<all_taps, reference<float>> m{seed{1}};
    data::loader noisy{data::transformed{tiny_dataset{4}, data::gaussian_noise{.head = ""}},
                       4,
                       m.image(),
                       head_specs(m),
                       {.shuffle = false, .threads = 0}};
    trainer t{m, cached<joint<frozen>>{}, optim::adamw{}, batch{4}};
    CHECK(test::message_of<option_error>([&] { t.fit(noisy, nullptr, {.epochs = 2}); }) ==
          "cached features of sample 'tiny 0': expected the same image each time, and ids of one sample each, got another image (random "
          "augmentation?)");
    trainer without{m, joint<frozen>{}, optim::adamw{}, batch{4}};
    CHECK_NOTHROW(without.fit(noisy, nullptr, {.epochs = 2}));
}

TEST_CASE("features are computed anew when a run begins after the weights were changed") {
    model<all_taps, reference<float>> m{seed{1}}, plain{seed{1}};
    const auto change = [](auto& of) {
        for (std::size_t i = 0; i < 10; ++i) of.parameters()[i] *= -1;
    };
    auto samples = tiny_loader(m, {4});
    trainer t{m, cached<joint<frozen>>{}, optim::adamw{}, batch{4}}, u{plain, joint<frozen>{}, optim::adamw{}, batch{4}};
    t.fit(samples, nullptr, {.epochs = 1});
    u.fit(samples, nullptr, {.epochs = 1});
    change(m);
    change(plain);
    t.fit(samples, nullptr, {.epochs = 2});
    u.fit(samples, nullptr, {.epochs = 2});
    CHECK(same_bits(m.parameters(), plain.parameters()));
    CHECK(t.features()->computed() == 8);
}

TEST_CASE("a step on kept features costs what a step costs without the frozen stages") {
    constexpr std::int64_t encoder = macs_per_sample<encoder_features<three_stages>, infer>;
    static_assert(encoder > 0);
    static_assert(training_macs<all_taps, cached<joint<frozen>>> == training_macs<all_taps, joint<frozen>> - encoder);
    static_assert(trainable_parameters<all_taps, train<cached<joint<frozen>>>> == trainable_parameters<all_taps, train<joint<frozen>>>);
    static_assert(plan<all_taps, train<cached<joint<frozen>>>>.arena <= plan<all_taps, train<joint<frozen>>>.arena);
    CHECK(training_macs<all_taps, cached<joint<last<1>>>> < training_macs<all_taps, joint<last<1>>>);
}

} // namespace cached_test
