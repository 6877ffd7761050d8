// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <umsrep/core/version.hpp>
#include <umsrep/data/loader.hpp>
#include <umsrep/data/statistics.hpp>
#include <umsrep/network/features.hpp>
#include <umsrep/train/fit.hpp>
#include <umsrep/train/source_task.hpp>

/// Stage 1 of UMS-Rep: one encoder per modality, learnt from images that need no labels. Zamzmi, Rajaraman, Antani, 2021.
namespace umsrep {

/// Where an encoder comes from: what its file tells beside the weights.
struct encoder_record {
    std::string modality;          ///< "CXR", "Echo"
    std::string source_task;       ///< "Denoising"
    data::image_statistics images; ///< that it was trained on, as they are before the source task changes them
    history training;              ///< of the source task
    std::uint64_t random = 0;      ///< the seed
    std::string version;           ///< of the library
    std::string computed_by;       ///< backend and instruction set

    /// "UMS-Rep^CXR_Denoising"
    std::string name() const { return "UMS-Rep^" + modality + "_" + source_task; }
};

/// The network that stage 1 trains.
template <class Encoder, source_task Source>
struct pretraining : network<Encoder, typename Source::head> {};

template <source_task Source>
struct pretrain_options {
    std::string modality{};           ///< must be given
    Source source{};
    seed random{1};                   ///< of weights, order of samples, their transforms and dropout
    std::size_t batch_size = 16;
    std::optional<extent> image{};    ///< of an encoder whose image is dynamic
    threads computing{1};
    int loading_threads = 1;
    bool later = false;               ///< see data::loader_options
    fit_options run{};
    train_options how{};              ///< its seed is replaced by one derived from `random`
};

/// What stage 1 leaves behind. The decoder of the source task is in `net` too: `net.predict(images).template get<"source">()`.
template <class Encoder, source_task Source, class Backend>
struct pretrained {
    model<pretraining<Encoder, Source>, Backend> net;
    encoder_record record;
};

/// Learns an encoder: `pretrain<chest_xray>(images, valid, optim::adamw{.lr = 1e-3}, {.modality = "CXR", .run = {.epochs = 20}})`.
/// Samples need no labels, unless the source task says so. `setup(trainer, options, "")` is called before the run, as by `fit`: to go on
/// from a checkpoint, say. The images are read once more before the first epoch, for their statistics.
/// Throws option_error when there is no modality, or no size for a dynamic image, and what `fit` and the datasets throw.
template <class Encoder, source_task Source = source::denoising<>, class Backend = default_backend<pretraining<Encoder, Source>>, optim::optimizer Optimizer,
          class Setup = no_setup>
pretrained<Encoder, Source, Backend> pretrain(const data::any_dataset& images, const data::any_dataset& valid, Optimizer optimizer,
                                              pretrain_options<Source> o, Setup setup = {}) {
    using net_type = pretraining<Encoder, Source>;
    static_assert(fits<net_type>);
    if (o.modality.empty()) throw option_error("pretrain: modality", "a name such as CXR", "none");
    const batch capacity{static_cast<int>(o.batch_size)};
    auto m = [&] {
        if constexpr (network_traits<net_type>::is_dynamic) {
            if (!o.image) throw option_error("pretrain: image", "the size of the dynamic image", "none");
            return model<net_type, Backend>{o.random, *o.image, capacity, o.computing};
        } else {
            return model<net_type, Backend>{o.random, capacity, o.computing};
        }
    }();
    const auto loader = [&](const data::any_dataset& from, bool shuffled, std::string_view what) {
        return data::loader{data::transformed{from, o.source}, o.batch_size, m.image(), head_specs(m),
                            {.random = derived_seed(o.random, what), .shuffle = shuffled, .threads = o.loading_threads, .later = o.later}};
    };
    o.how.random = derived_seed(o.random, "dropout");
    data::image_statistics seen = data::statistics_of(images, o.random);
    data::loader samples = loader(images, true, "images"), validation = loader(valid, false, "validation");
    history training = [&] {
        trainer t(m, joint<all>{}, optimizer, capacity, std::move(o.how));
        setup(t, o.run, std::string_view{});
        return t.fit(samples, &validation, o.run);
    }();
    encoder_record record{o.modality, std::string(Source::name), std::move(seen), std::move(training), o.random.value,
                          std::string(library_version), m.computed_by()};
    return {std::move(m), std::move(record)};
}

} // namespace umsrep
