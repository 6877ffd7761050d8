// SPDX-License-Identifier: MIT
#include "session.hpp"

#include <charconv>
#include <utility>

#include <umsrep/io/weights.hpp>

#include "network.hpp"

// Compiled once, in kernels.cpp.
extern template struct umsrep::cpu<umsrep::winograd, umsrep::core_families>;

namespace doppler {

namespace {

constexpr const char* size_note = "doppler.size"; ///< in a model file

int size_of(const std::filesystem::path& file) {
    const auto weights = umsrep::io::safetensors::read(file);
    const auto& notes = weights.metadata();
    const auto found = notes.find(size_note);
    if (found == notes.end())
        throw umsrep::file_error(file.string(), "a model of doppler train", "a safetensors file without 'doppler.size'");
    int size = 0;
    const auto [end, failure] = std::from_chars(found->second.data(), found->second.data() + found->second.size(), size);
    const bool whole = failure == std::errc{} && end == found->second.data() + found->second.size();
    if (!whole || size < 32 || size > 1024 || size % size_multiple != 0)
        throw umsrep::file_error(file.string() + ": doppler.size", "a multiple of 16 from 32 to 1024", "'" + found->second + "'");
    return size;
}

} // namespace

struct session::state {
    model net;
    int size;

    state(int side, std::uint64_t seed, int threads)
        : net{umsrep::seed{seed}, umsrep::extent{side, side}, umsrep::batch{16}, umsrep::threads{threads}}, size{side} {}
};

session::session(int size, std::uint64_t seed, int threads) : state_{std::make_unique<state>(size, seed, threads)} {}
session::session(std::unique_ptr<state> s) : state_{std::move(s)} {}
session::~session() = default;
session::session(session&&) noexcept = default;

session session::open(const std::filesystem::path& file, int threads) {
    session opened{size_of(file), 0, threads};
    umsrep::io::load(opened.state_->net, file);
    return opened;
}

int session::size() const { return state_->size; }
umsrep::shape session::image() const { return state_->net.image(); }
std::vector<umsrep::data::head_spec> session::targets() const { return umsrep::head_specs(state_->net); }

predictions session::predict(const xt::xtensor<float, 4>& images) {
    auto p = state_->net.predict(images);
    return {std::move(p.outputs[0]), std::move(p.outputs[1]), std::move(p.outputs[2]), std::move(p.outputs[3])};
}

umsrep::history session::train(const training& how, umsrep::data::loader& samples, umsrep::data::loader& valid) {
    const auto updates = static_cast<std::int64_t>(samples.batches_per_epoch()) * how.epochs;
    const umsrep::train_options options{.random = umsrep::seed{1},
                                        .schedule = umsrep::schedule::cosine{.warmup = updates / 20, .minimum = 0.01},
                                        .head_weights = how.head_weights,
                                        .clip_norm = 5};
    // A folder may have no labels for some heads; there is no clean image of a real spectrogram.
    const umsrep::fit_options run{.epochs = how.epochs, .allow_unlabelled_heads = true, .on_epoch = how.on_epoch};
    const umsrep::optim::adamw optimizer{.lr = how.learning_rate, .weight_decay = 0.01};
    if (how.strategy == "joint") return umsrep::fit(state_->net, umsrep::joint<>{}, samples, &valid, optimizer, run, options);
    if (how.strategy == "alternating") return umsrep::fit(state_->net, umsrep::alternating<>{}, samples, &valid, optimizer, run, options);
    throw umsrep::option_error("strategy", "joint or alternating", "'" + how.strategy + "'");
}

void session::save(const std::filesystem::path& file) const {
    umsrep::io::save(state_->net, file, {{size_note, std::to_string(state_->size)}});
}

} // namespace doppler
