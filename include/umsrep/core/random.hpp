// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string_view>

#include <umsrep/core/hash_name.hpp>

namespace umsrep {

/// The seed of a run, spelled out at the call: `model<net, backend> m{seed{1}}`.
struct seed {
    std::uint64_t value = 0;
    constexpr explicit seed(std::uint64_t v) : value{v} {}
};

/// Philox4x32-10: a counter-based generator; block `counter` of key `key` is a pure function of the two, so any thread may
/// compute any part of a stream. Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
        const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
        counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
                   static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
        key[0] += 0x9E3779B9;
        key[1] += 0xBB67AE85;
    }
    return counter;
}

/// One named stream of random numbers. The stream is identified by (seed, name, index); its position is a 64-bit counter, which
/// is all that must be saved to go on exactly where it stopped. A UniformRandomBitGenerator, and draws of its own whose values
/// do not depend on the standard library.
class random_stream {
public:
    using result_type = std::uint32_t;

    constexpr explicit random_stream(seed s, std::string_view name = {}, std::uint64_t index = 0) {
        const std::uint64_t h = hash_name(name);
        const auto lo = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
        const auto hi = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
        const auto k = philox({lo(s.value), hi(s.value), lo(h), hi(h)}, {lo(index), hi(index)});
        key_ = {k[0], k[1]};
        tag_ = {k[2], k[3]};
    }

    static constexpr result_type min() { return 0; }
    static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

    constexpr result_type operator()() {
        if (position_ / 4 != held_block_) {
            held_block_ = position_ / 4;
            held_ = block(held_block_);
        }
        return held_[position_++ % 4];
    }

    /// The number at a position, without moving: the same whichever thread asks.
    constexpr result_type at(std::uint64_t position) const { return block(position / 4)[position % 4]; }

    /// The numbers at positions 4 number, ..., 4 number + 3, which the generator makes together.
    constexpr std::array<std::uint32_t, 4> block(std::uint64_t number) const {
        return philox({static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(number >> 32), tag_[0], tag_[1]}, key_);
    }

    /// How many 32-bit numbers were drawn; assign it back with `seek` to resume.
    constexpr std::uint64_t position() const { return position_; }
    constexpr void seek(std::uint64_t position) { position_ = position; }

    /// What the stream's name comes to: whoever computes `philox({number, tag}, key)` elsewhere gets the same blocks.
    constexpr std::array<std::uint32_t, 2> key() const { return key_; }
    constexpr std::array<std::uint32_t, 2> tag() const { return tag_; }

    /// Uniform in [0, 1) with 24 bits.
    constexpr float uniform() { return static_cast<float>((*this)() >> 8) * 0x1p-24f; }
    constexpr float uniform(float low, float high) { return low + (high - low) * uniform(); }

    /// Uniform in {0, ..., n - 1}, n > 0; without modulo bias beyond 2^-32.
    constexpr std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>((std::uint64_t{(*this)()} * n) >> 32); }

    /// Standard normal, Box-Muller on two draws (the second variate is not kept: the position alone is the state).
    float normal() {
        const double u = (static_cast<double>((*this)()) + 1.0) * 0x1p-32;
        const double v = static_cast<double>((*this)()) * 0x1p-32;
        return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v));
    }

private:
    std::array<std::uint32_t, 2> key_{}, tag_{};
    std::uint64_t position_ = 0;
    std::uint64_t held_block_ = ~std::uint64_t{0}; // a block holds four numbers: kept, so that drawing in order costs a quarter
    std::array<std::uint32_t, 4> held_{};
};

/// A seed of its own for a part of a run.
constexpr seed derived_seed(seed s, std::string_view name) {
    random_stream stream(s, name);
    const std::uint64_t high = stream();
    return seed{(high << 32) | stream()};
}

/// Fisher-Yates shuffle whose result does not depend on the standard library.
template <class Range>
constexpr void shuffle(Range& range, random_stream& stream) {
    for (std::size_t i = range.size(); i > 1; --i) {
        const std::size_t j = stream.below(static_cast<std::uint32_t>(i));
        const auto held = range[i - 1];
        range[i - 1] = range[j];
        range[j] = held;
    }
}

} // namespace umsrep
