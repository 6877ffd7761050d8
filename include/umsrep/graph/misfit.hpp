// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <umsrep/core/shape.hpp>

namespace umsrep {

enum class misfit_kind : std::uint8_t {
    none,
    shape,          ///< the shape that arrives is not the one needed
    window,         ///< a window larger than the (padded) image it slides over
    channels,       ///< a channel count that the groups do not divide
    option,         ///< a number that cannot be: no output channels, stride 0, an even kernel without explicit padding
    unknown_name,   ///< a skip connection, `add` or `from` that names no stage or tap before it
    duplicate_name, ///< two stages, heads or taps of one name
    target,         ///< a head whose output its loss cannot use
    dynamic_size,   ///< a layer that needs the image's size at compile time
    wrong_type,     ///< a type where it has no meaning: no layer in a sequence, no loss in a head, an option the layer does not know
};

/// Characters on the stack, cut off at N: text that constexpr functions can compose.
template <std::size_t N>
struct text {
    std::array<char, N> characters{};
    std::size_t length = 0;

    constexpr text& operator<<(std::string_view s) {
        for (const char c : s)
            if (length < N) characters[length++] = c;
        return *this;
    }
    constexpr text& operator<<(int value) {
        if (value < 0) return *this << "-" << -value;
        if (value >= 10) *this << value / 10;
        const char digit = static_cast<char>('0' + value % 10);
        return *this << std::string_view(&digit, 1);
    }
    /// With three decimals at most.
    constexpr text& operator<<(double value) {
        if (value < 0) return *this << "-" << -value;
        int thousandths = static_cast<int>(value * 1000 + 0.5);
        *this << thousandths / 1000;
        if (thousandths %= 1000; thousandths == 0) return *this;
        *this << ".";
        for (int unit = 100; thousandths != 0; thousandths %= unit, unit /= 10) *this << thousandths / unit;
        return *this;
    }
    constexpr std::string_view view() const { return {characters.data(), length}; }
};

/// The parts one after another.
template <class... Parts>
constexpr text<64> sentence(const Parts&... parts) {
    text<64> result;
    (result << ... << parts);
    return result;
}

/// The name of a type without this library's own qualification.
template <std::size_t N>
constexpr text<N> short_name(std::string_view type) {
    constexpr std::string_view ours = "umsrep::";
    text<N> result;
    for (std::size_t at = type.find(ours); at != type.npos; at = type.find(ours)) {
        result << type.substr(0, at);
        type.remove_prefix(at + ours.size());
    }
    return result << type;
}

/// The first thing in a network that does not fit: where, what was expected and what came. Lowering never throws; it records this.
struct misfit {
    misfit_kind kind = misfit_kind::none;
    text<40> part{};  ///< "encoder", the head's name or "network"
    text<56> layer{}; ///< "e2.1.0 conv"; empty: the part as a whole
    text<64> what{};  ///< the option, name or type concerned, or the reason
    shape expected{}, got{};
};

/// The sentence for run-time errors (networks whose image size is dynamic).
inline std::string to_string(const misfit& m) {
    const auto dims = [](shape s) {
        return std::to_string(s.c) + " x " + std::to_string(s.h) + " x " + std::to_string(s.w);
    };
    const auto plane = [](shape s) { return std::to_string(s.h) + " x " + std::to_string(s.w); };
    const std::string where =
        std::string(m.part.view()) + (m.layer.length != 0 ? ", " : "") + std::string(m.layer.view()) + ": ";
    const std::string what{m.what.view()};
    switch (m.kind) {
    case misfit_kind::none: return "the network fits";
    case misfit_kind::shape: return where + "expected " + dims(m.expected) + ", got " + dims(m.got);
    case misfit_kind::window:
        return where + "expected a window no larger than the padded image, " + plane(m.got) + ", got " + plane(m.expected);
    case misfit_kind::channels:
        return where + "expected a multiple of " + std::to_string(m.expected.c) + " channels, got " + std::to_string(m.got.c);
    case misfit_kind::option: return where + what;
    case misfit_kind::unknown_name: return where + "no stage or tap is called '" + what + "'";
    case misfit_kind::duplicate_name: return where + "the name '" + what + "' is taken";
    case misfit_kind::target: return where + what + ", got " + dims(m.got);
    case misfit_kind::dynamic_size:
    case misfit_kind::wrong_type: return where + what;
    }
    return where;
}

} // namespace umsrep
