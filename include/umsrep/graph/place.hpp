// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace umsrep {

/// A piece of the arena, alive from step `born` to step `dies`, both included. Offset and size are in elements per sample: for a batch
/// of n, both are multiplied by n.
struct buffer {
    std::ptrdiff_t offset = 0, size = 0;
    int born = 0, dies = 0;
    bool gradient = false;
    friend constexpr bool operator==(const buffer&, const buffer&) = default;
};

/// Every buffer's size is rounded up to this many elements, so that offsets keep the alignment of vector registers.
inline constexpr std::ptrdiff_t arena_granularity = 16;

/// Gives every buffer an offset so that buffers alive at the same time do not overlap; returns the size of the arena. Greedy by size,
/// lowest gap first: Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020.
constexpr std::ptrdiff_t place(std::vector<buffer>& buffers) {
    std::vector<std::size_t> order(buffers.size(), 0); // filled explicitly: clang 16 rejects libstdc++ 12's value-initialisation here
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return buffers[a].size != buffers[b].size ? buffers[a].size > buffers[b].size : a < b;
    });

    std::ptrdiff_t arena = 0;
    std::vector<std::size_t> placed; // by offset
    for (const std::size_t i : order) {
        buffer& b = buffers[i];
        b.offset = 0;
        for (const std::size_t j : placed) {
            const buffer& other = buffers[j];
            if (other.dies < b.born || b.dies < other.born) continue;
            if (other.offset >= b.offset + b.size) break; // the gap before it is wide enough
            b.offset = std::max(b.offset, other.offset + other.size);
        }
        arena = std::max(arena, b.offset + b.size);
        placed.insert(std::find_if(placed.begin(), placed.end(), [&](std::size_t j) { return buffers[j].offset > b.offset; }), i);
    }
    return arena;
}

} // namespace umsrep
