// SPDX-License-Identifier: MIT
// Both stages: an encoder learnt from images without labels, then tasks on it, frozen and fine-tuned; last a task is added.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <umsrep/io/encoder_file.hpp>
#include <umsrep/io/resume.hpp>
#include <umsrep/umsrep.hpp>

using namespace umsrep;

struct chest_xray : encoder<image<1, 32, 32>,
    stage<"e1", conv<8, 3, no_bias>, batch_norm, relu>,
    stage<"e2", max_pool<2>, conv<16, 3, no_bias>, batch_norm, relu>> {};

struct tasks : network<chest_xray,
    head<"lungs", to_image<>, loss::dice_bce>,
    head<"finding", seq<global_avg_pool, linear<3>>, loss::cross_entropy>> {};

int main() {
    const auto folder = std::filesystem::temp_directory_path() / "umsrep-modality-encoder-example";
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    const auto file = folder / "ums_rep_cxr_denoising.safetensors";
    const sim::chest_xray_dataset images{seed{7}, {.xray = {.size = 32}, .count = 32}}, unseen{seed{8}, {.xray = {.size = 32}, .count = 8}};

    // Stage 1. Denoising is the default source task; source::super_resolution<>, ... are others.
    const auto learnt = pretrain<chest_xray>(images, unseen, optim::adamw{.lr = 3e-3},
                                         {.modality = "CXR", .batch_size = 8, .run = {.epochs = 3}});
    io::save_encoder(learnt, file);

    // Stage 2. The file's golden sample is computed anew: an encoder that does not give what it gave is refused.
    model<tasks> m{seed{2}, batch{8}};
    const encoder_record from = io::load_encoder(m, file);
    std::printf("%s, %zu images of mean %.2f\n", from.name().c_str(), from.images.images, from.images.mean[0]);

    // The encoder is frozen, and what it gives for each image is computed once.
    data::loader train_set{images, 8, m.image(), head_specs(m), {}}, valid_set{unseen, 8, m.image(), head_specs(m), {.shuffle = false}};
    fit(m, cached<joint<frozen>>{}, train_set, valid_set, optim::adamw{.lr = 1e-2}, {.epochs = 3});

    // Heads first, then stage by stage, each phase at half the rate; pulled towards the encoder of stage 1. A second run goes on from the
    // checkpoints of the first.
    const train_options gently{.l2_sp = l2_sp{.strength = 0.01}};
    fit(m, gradual_unfreezing<tasks>(1, 0.5), train_set, valid_set, optim::adamw{.lr = 1e-3}, {}, gently,
        io::resumable{folder, "example"});

    // One task is trained further, or added later: the others' outputs keep their bits.
    random_stream random{seed{0}};
    const auto image = images.get(0, random).image;
    const auto before = m.predict(image).get<"lungs">();
    fit_head<"finding">(m, train_set, valid_set, optim::adamw{.lr = 1e-3}, {.epochs = 1});
    const auto after = m.predict(image).get<"lungs">();
    const bool same = std::equal(before.begin(), before.end(), after.begin());
    std::printf("the other task's output %s\n", same ? "is the same" : "has changed");
    std::filesystem::remove_all(folder);
    return same ? EXIT_SUCCESS : EXIT_FAILURE;
}
