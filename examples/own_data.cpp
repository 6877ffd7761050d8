// SPDX-License-Identifier: MIT
// Two datasets, one network: a classification set without masks and a segmentation set without classes train one encoder together.
#include <cstdio>

#include <umsrep/umsrep.hpp>

using namespace umsrep;

struct encoder_32 : encoder<image<1, 32, 32>,
    stage<"e1", conv<8, 3, no_bias>, batch_norm, relu>,
    stage<"e2", max_pool<2>, conv<16, 3, no_bias>, batch_norm, relu>> {};

struct net : network<encoder_32,
    head<"blob", seq<conv_transpose<8, 2, stride<2>>, concat<"e1">, conv<8, 3>, relu, conv<1, 1>>, loss::dice_bce>,
    head<"bright", seq<global_avg_pool, linear<2>>, loss::cross_entropy>> {};

/// A dataset is any type with size() and get(index, random): here a bright or dark disc on noise.
struct discs {
    std::size_t count;
    bool masks, classes; ///< what this set is labelled with

    std::size_t size() const { return count; }

    data::sample get(std::size_t index, random_stream& random) const {
        random_stream fixed(seed{2}, "disc", index); // the same disc every time; `random` is for augmentation, other each epoch
        data::sample s;
        s.id = "disc " + std::to_string(index);
        s.image = data::uninitialized({1, 32, 32});
        data::tensor mask = data::uninitialized({1, 32, 32});
        const bool bright = fixed.below(2) == 1;
        const float y0 = fixed.uniform(8, 24), x0 = fixed.uniform(8, 24);
        for (std::size_t y = 0; y < 32; ++y)
            for (std::size_t x = 0; x < 32; ++x) {
                const float dy = static_cast<float>(y) - y0, dx = static_cast<float>(x) - x0;
                mask(0, y, x) = dy * dy + dx * dx < 36 ? 1.0f : 0.0f;
                s.image(0, y, x) = 0.5f + (bright ? 0.25f : -0.25f) * mask(0, y, x) + 0.1f * random.normal();
            }
        if (masks) s.set("blob", mask, data::label_kind::mask);
        if (classes) s.set("bright", bright ? 1.0f : 0.0f);
        return s;
    }
};

int main() {
    model<net> m{seed{1}, batch{16}, threads{2}};

    // Every batch holds 8 samples of the one set and 8 of the other; each head learns from the samples that have its label.
    data::loader train_set{{{discs{64, true, false}, 8}, {discs{80, false, true}, 8}}, m.image(), head_specs(m), {.random = seed{1}}};
    data::loader valid_set{discs{32, true, true}, 16, m.image(), head_specs(m), {.shuffle = false}};

    // A strategy is a type: take turns, train only the last stage of the encoder.
    trainer t{m, alternating<last<1>>{}, optim::adamw{.lr = 1e-2}, batch{16}, {.schedule = schedule::cosine{.warmup = 5}}};
    t.loss<"bright">().label_smoothing = 0.05;
    const history past = t.fit(train_set, &valid_set, {.epochs = 12, .patience = 4});
    std::printf("%zu epochs; validation: blob %.3f, bright %.3f\n", past.epochs.size(), past.epochs.back().valid_loss[0],
                past.epochs.back().valid_loss[1]);
}
