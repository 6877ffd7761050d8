// SPDX-License-Identifier: MIT
// Weights and checkpoints: stop a run, go on with the same bits, and start another network from its encoder.
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <umsrep/io/checkpoint.hpp>
#include <umsrep/io/weights.hpp>
#include <umsrep/umsrep.hpp>

using namespace umsrep;

struct small : encoder<image<1, 32, 32>, stage<"e1", conv<8, 3>, relu>, stage<"e2", max_pool<2>, conv<16, 3>, relu>> {};
struct denoiser : network<small, head<"denoise", seq<upsample_bilinear<2>, concat<"e1">, conv<1, 3>>, loss::l1>> {};
struct classifier : network<small, head<"finding", seq<global_avg_pool, linear<3>>, loss::cross_entropy>> {};

int main() {
    const auto folder = std::filesystem::temp_directory_path() / "umsrep-resume-example";
    std::filesystem::create_directories(folder);
    const auto checkpoint = folder / "checkpoint.safetensors", weights = folder / "denoiser.safetensors";
    const sim::chest_xray_dataset patients{seed{7}, {.xray = {.size = 32}, .count = 24}};

    // Trains up to `epochs` in all; goes on from the checkpoint when there is one.
    const auto train_denoiser = [&](int epochs) {
        model<denoiser> m{seed{1}, batch{8}};
        data::loader samples{patients, 8, m.image(), head_specs(m), {}};
        trainer t{m, joint<all>{}, optim::adamw{}, batch{8}};
        if (std::filesystem::exists(checkpoint)) io::load_checkpoint(t, checkpoint, "resume example");
        fit_options o{.epochs = epochs};
        o.on_checkpoint = [&] { io::save_checkpoint(t, checkpoint, "resume example"); };
        t.fit(samples, nullptr, o);
        return m;
    };
    train_denoiser(1);                                        // as if the process had ended here
    const model<denoiser> resumed = train_denoiser(2);
    std::filesystem::remove(checkpoint);
    const model<denoiser> at_once = train_denoiser(2);
    const bool same = std::equal(resumed.parameters().begin(), resumed.parameters().end(), at_once.parameters().begin());
    std::printf("resumed and uninterrupted runs %s\n", same ? "agree to the bit" : "differ");

    // A new task on the learnt encoder, which stays as it is. The file's names are PyTorch's; load checks every one of them.
    io::save(resumed, weights, {{"modality", "simulated chest X-ray"}, {"source task", "denoising"}});
    model<classifier> m{seed{2}, batch{8}};
    io::load<"encoder">(m, weights);
    data::loader samples{patients, 8, m.image(), head_specs(m), {}};
    fit(m, joint<frozen>{}, samples, samples, optim::adamw{.lr = 1e-2}, {.epochs = 2});
    std::filesystem::remove_all(folder);
    return same ? EXIT_SUCCESS : EXIT_FAILURE;
}
