// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>

#include <tests/support/kernels.hpp>
#include <umsrep/umsrep.hpp>

/// A U-Net with three heads small enough that a test trains it in milliseconds. The network of fixtures/make_network.py.
namespace umsrep::test {

template <int C>
struct block : seq<conv<C, 3, no_bias>, batch_norm, relu, conv<C, 3, no_bias>, batch_norm, relu> {};
template <fixed_string Skip, int C>
struct up : seq<conv_transpose<C, 2, stride<2>>, concat<Skip>, block<C>> {};
struct tiny_encoder : encoder<image<1, 16, 16>,
    stage<"e1", block<4>>,
    stage<"e2", max_pool<2>, block<8>>,
    stage<"e3", max_pool<2>, block<16>>> {};
struct tiny_decoder : seq<up<"e2", 8>, up<"e1", 4>, conv<1, 1>> {};
struct tiny : network<tiny_encoder,
    head<"denoise", tiny_decoder, loss::l1>,
    head<"lungs", tiny_decoder, loss::dice_bce>,
    head<"finding", seq<global_avg_pool, linear<3>>, loss::cross_entropy>> {};

/// Random images with labels that depend on them. `labels`: which heads a sample has, by its number; bit 0 denoise, 1 lungs, 2 finding.
struct tiny_dataset {
    std::size_t count = 12;
    unsigned (*labels)(std::size_t) = [](std::size_t) { return 7U; };

    std::size_t size() const { return count; }
    data::sample get(std::size_t index, random_stream&) const {
        random_stream r(seed{5}, "tiny", index);
        data::sample s;
        s.id = "tiny " + std::to_string(index);
        s.image = data::uninitialized({1, 16, 16});
        data::tensor clean = data::uninitialized({1, 16, 16}), mask = clean;
        const float cx = r.uniform(4, 12), cy = r.uniform(4, 12);
        for (std::size_t y = 0; y < 16; ++y)
            for (std::size_t x = 0; x < 16; ++x) {
                const float dx = static_cast<float>(x) - cx, dy = static_cast<float>(y) - cy;
                mask(0, y, x) = dx * dx + dy * dy < 16 ? 1.0f : 0.0f;
                clean(0, y, x) = 0.2f + 0.6f * mask(0, y, x);
                s.image(0, y, x) = clean(0, y, x) + 0.1f * r.normal();
            }
        const unsigned has = labels(index);
        if ((has & 1U) != 0) s.set("denoise", clean, data::label_kind::image);
        if ((has & 2U) != 0) s.set("lungs", mask, data::label_kind::mask);
        if ((has & 4U) != 0) s.set("finding", static_cast<float>(index % 3));
        return s;
    }
};

template <class Model>
data::loader tiny_loader(const Model& m, tiny_dataset d = {}, std::size_t batch_size = 4, bool shuffled = true) {
    data::loader_options o;
    o.random = seed{9};
    o.shuffle = shuffled;
    o.threads = 0;
    return data::loader{d, batch_size, m.image(), head_specs(m), o};
}

} // namespace umsrep::test
