// SPDX-License-Identifier: MIT
// A network as a type: one encoder, three tasks. Trains a minute-sized version on simulated chest X-rays and predicts.
#include <cstdio>

#include <umsrep/umsrep.hpp>

using namespace umsrep;

// A block, the encoder with its stages, and one decoder with skip connections to them.
template <int C>
struct block : seq<conv<C, 3, no_bias>, batch_norm, relu, conv<C, 3, no_bias>, batch_norm, relu> {};

struct chest_xray : encoder<image<1, 64, 64>,
    stage<"e1", block<8>>,
    stage<"e2", max_pool<2>, block<16>>,
    stage<"e3", max_pool<2>, block<32>>> {};

template <fixed_string Skip, int C>
struct up : seq<conv_transpose<C, 2, stride<2>>, concat<Skip>, block<C>> {};

struct decoder : seq<up<"e2", 16>, up<"e1", 8>, conv<1, 1>> {};

// Three heads on one encoder, each with its own loss.
struct net : network<chest_xray,
    head<"denoise", decoder, loss::l1>,
    head<"lungs", decoder, loss::dice_bce>,
    head<"finding", seq<global_avg_pool, linear<3>>, loss::cross_entropy>> {};

// What the compiler knows of it. A frozen encoder has no backward pass, no gradients and no optimiser state.
static_assert(parameters<net> < 50'000);
static_assert(trainable_parameters<net, train<joint<frozen>>> < parameters<net>);
static_assert(training_macs<net, joint<frozen>> < training_macs<net, joint<all>>);
static_assert(training_bytes<net, joint<all>>(batch{8}) < 32_MiB);

int main() {
    model<net> m{seed{1}, batch{8}, threads{2}};

    // Simulated patients; every sample has a clean image, a lung mask and a finding. Your own data: any type with size() and get().
    const auto patients = [](std::size_t count, std::uint64_t first) {
        return sim::chest_xray_dataset{seed{7}, {.xray = {.size = 64}, .count = count, .first = first}};
    };
    data::loader train_set{patients(96, 0), 8, m.image(), head_specs(m), {.random = seed{1}}};
    data::loader valid_set{patients(24, 1000), 8, m.image(), head_specs(m), {.shuffle = false}};

    const history past = fit(m, joint<all>{}, train_set, valid_set, optim::adamw{.lr = 3e-3}, {.epochs = 3});
    for (const epoch_record& r : past.epochs)
        std::printf("epoch %d  denoise %.3f  lungs %.3f  finding %.3f\n", r.epoch, r.valid_loss[0], r.valid_loss[1], r.valid_loss[2]);

    valid_set.start(0);
    const auto batch = *valid_set.next();
    const auto prediction = m.predict(batch.images); // the encoder runs once for all heads
    const auto& lungs = prediction.get<"lungs">();   // N, C, H, W; probabilities

    metric::mask_overlap overlap;
    overlap.add({lungs.data(), lungs.size()}, {batch.heads[1].values.data(), batch.heads[1].values.size()}, batch.size());
    std::printf("Dice of the lungs: %.2f\n", overlap.mean_dice());
    std::printf("probability of \"normal\" for the first image: %.2f\n", static_cast<double>(prediction.get<"finding">()(0, 0, 0, 0)));
}
