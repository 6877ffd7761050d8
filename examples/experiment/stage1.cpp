// SPDX-License-Identifier: MIT
#include <filesystem>

#include <umsrep/io/encoder_file.hpp>

#include "job.hpp"
#include "network.hpp"

// Compiled once, in kernels.cpp.
extern template struct umsrep::cpu<umsrep::winograd, experiment::kernels>;

namespace experiment {

namespace {

umsrep::data::any_dataset unlabelled(const std::vector<item>& items) {
    std::vector<umsrep::data::sample> samples;
    for (const item& i : items) samples.push_back({i.sample.id, i.sample.group, i.sample.image, {}});
    return umsrep::data::sample_list{std::move(samples)};
}

stage1 spent(const umsrep::encoder_record& r) {
    stage1 result;
    for (const umsrep::epoch_record& e : r.training.epochs) {
        result.seconds += e.seconds;
        ++result.epochs;
    }
    return result;
}

} // namespace

stage1 learn_encoder(const std::string& modality_name, const splits& images, const std::filesystem::path& file, std::uint64_t seed,
                     int threads, const schedule& how, const std::function<void(const umsrep::epoch_record&)>& on_epoch) {
    if (std::filesystem::exists(file)) return spent(umsrep::io::read_encoder_record(file));
    using source = umsrep::source::denoising<>;
    const int size = static_cast<int>(images.train.front().sample.image.shape()[1]);
    umsrep::pretrain_options<source> o;
    o.modality = modality_name;
    o.random = umsrep::seed{seed};
    o.batch_size = static_cast<std::size_t>(how.batch);
    o.image = umsrep::extent{size, size};
    o.computing = umsrep::threads{threads};
    o.run.epochs = how.epochs;
    o.run.patience = how.patience;
    o.run.on_epoch = on_epoch;
    o.how.schedule = umsrep::schedule::cosine{.minimum = 0.02};
    o.how.clip_norm = 5;
    const auto learnt = umsrep::pretrain<encoder, source, backend>(unlabelled(images.train), unlabelled(images.valid),
                                                                   umsrep::optim::adamw{.lr = how.learning_rate}, o);
    umsrep::io::save_encoder(learnt, file);
    return spent(learnt.record);
}

} // namespace experiment
