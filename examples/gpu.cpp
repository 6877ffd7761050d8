// SPDX-License-Identifier: MIT
// Trains on an NVIDIA GPU, or says why there is none. Compiled where the headers of CUDA and cuDNN are.
#include <cstdio>

#include <umsrep/umsrep.hpp>
#include <umsrep/train/cuda/training.hpp>   // and the backend; only to predict: umsrep/backend/cuda/cuda.hpp

using namespace umsrep;

struct encoder_32 : encoder<image<1, 32, 32>,
    stage<"e1", conv<8, 3, no_bias>, batch_norm, relu>,
    stage<"e2", max_pool<2>, conv<16, 3, no_bias>, batch_norm, relu>> {};

struct net : network<encoder_32, head<"lungs", seq<conv_transpose<8, 2, stride<2>>, concat<"e1">, conv<8, 3>, relu, conv<1, 1>>, loss::dice_bce>> {};

/// A disc on noise, with its mask.
struct discs {
    std::size_t size() const { return 64; }
    data::sample get(std::size_t index, random_stream&) const {
        random_stream random(seed{2}, "disc", index);
        data::sample s;
        s.id = "disc " + std::to_string(index);
        s.image = data::uninitialized({1, 32, 32});
        data::tensor mask = s.image;
        const float y0 = random.uniform(8, 24), x0 = random.uniform(8, 24);
        for (std::size_t y = 0; y < 32; ++y)
            for (std::size_t x = 0; x < 32; ++x) {
                const float dy = static_cast<float>(y) - y0, dx = static_cast<float>(x) - x0;
                mask(0, y, x) = dy * dy + dx * dx < 36 ? 1.0f : 0.0f;
                s.image(0, y, x) = 0.4f + 0.2f * mask(0, y, x) + 0.1f * random.normal();
            }
        s.set("lungs", mask, data::label_kind::mask);
        return s;
    }
};

int main() {
    if (const auto found = cuda::available(); !found.ok) {
        std::printf("%s\n", found.reason.c_str());
        return 0;
    }
    model<net, on_cuda<>> m{seed{1}, batch{16}};
    const discs images_with_masks;

    const auto changed = data::transformed(images_with_masks, data::random_affine{.rotation = 5}, data::random_flip{}, data::gaussian_noise{.head = ""});
    data::loader train_set{changed, 16, m.image(), head_specs(m), {.random = seed{1}, .later = true}};
    data::loader valid_set{images_with_masks, 16, m.image(), head_specs(m), {.shuffle = false}};

    fit(m, joint<all>{}, train_set, valid_set, optim::adamw{.lr = 1e-3});

    valid_set.start(0);
    const auto images = valid_set.next()->images;
    auto lungs = m.predict(images).get<"lungs">();
    std::printf("%zu masks\n", lungs.shape()[0]);

    using machine = cuda::machine_with<cuda::machine_options{.plan = cuda::plans::first, .workspace = 64_MiB}>;
    model<net, on_cuda<cuda::precision::bf16, machine>> hasty{seed{1}, batch{16}};
}
