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

constexpr std::ptrdiff_t round_to_granularity(std::ptrdiff_t elements) {
    return (elements + arena_granularity - 1) / arena_granularity * arena_granularity;
}

/// Gives every buffer an offset so that buffers alive at the same time do not overlap; returns the size of the arena. Greedy by size,
/// lowest gap first: Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020.
constexpr std::ptrdiff_t place(std::vector<buffer>& buffers) {
    std::vector<std::size_t> order(buffers.size(), 0); // filled explicitly: clang 16 rejects libstdc++ 12's value-initialisation here
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return buffers[a].size != buffers[b].size ? buffers[a].size > buffers[b].size : a < b;
    });

    // The placed ones are a list in order of their offsets. Plain pointers: of a large network's plan, compilers evaluate this most.
    constexpr int none = -1;
    std::vector<int> links(buffers.size(), none);
    int* const next = links.data();
    buffer* const all = buffers.data();
    int lowest = none;
    std::ptrdiff_t arena = 0;
    for (const std::size_t i : order) {
        buffer& b = all[i];
        b.offset = 0;
        int before = none; // the last one that begins no higher than b
        for (int j = lowest; j != none; j = next[j]) {
            const buffer& other = all[j];
            if (other.offset >= b.offset + b.size) break; // the gap below it is wide enough
            if (other.born <= b.dies && b.born <= other.dies && other.offset + other.size > b.offset)
                b.offset = other.offset + other.size;
            if (other.offset <= b.offset) before = j;
        }
        arena = std::max(arena, b.offset + b.size);
        int& link = before == none ? lowest : next[before];
        next[i] = link;
        link = static_cast<int>(i);
    }
    return arena;
}

} // namespace umsrep
