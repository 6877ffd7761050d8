// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/view.cuh>

namespace umsrep::cuda::kernel {

struct four {
    u32 at[4];
};

/// Philox4x32-10, the same bits as umsrep::philox. Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
UMSREP_DEVICE inline four philox(four counter, u32 key0, u32 key1) {
    for (int round = 0; round < 10; ++round) {
        const u64 a = static_cast<u64>(0xD2511F53u) * counter.at[0], b = static_cast<u64>(0xCD9E8D57u) * counter.at[2];
        counter = {{static_cast<u32>(b >> 32) ^ counter.at[1] ^ key0, static_cast<u32>(b), static_cast<u32>(a >> 32) ^ counter.at[3] ^ key1,
                    static_cast<u32>(a)}};
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return counter;
}

/// A umsrep::random_stream: what (seed, name, index) make of a key.
struct stream {
    u32 key[2], tag[2];

    UMSREP_DEVICE static stream of(u64 seed, u64 name_hash, u64 index) {
        const four k = philox({{low(seed), high(seed), low(name_hash), high(name_hash)}}, low(index), high(index));
        return {{k.at[0], k.at[1]}, {k.at[2], k.at[3]}};
    }
    UMSREP_DEVICE four block(u64 number) const { return philox({{low(number), high(number), tag[0], tag[1]}}, key[0], key[1]); }

private:
    UMSREP_DEVICE static u32 low(u64 x) { return static_cast<u32>(x); }
    UMSREP_DEVICE static u32 high(u64 x) { return static_cast<u32>(x >> 32); }
};

/// The streams of a step's nodes, number `*step * nodes + node` each, by `map`: once a step, so that a captured graph draws anew.
struct make_streams {
    u64 seed, name_hash;
    const u64* step;
    u32 nodes;
    stream* to;

    UMSREP_DEVICE long long count() const { return nodes; }
    UMSREP_DEVICE void operator()(u32 node) const { to[node] = stream::of(seed, name_hash, *step * nodes + node); }
};

/// out = in times 0 or `keep`, by `map`; with the gradients in their place it is its own backward pass. Element i of the batch, counted
/// as N, C, H, W, falls where number i of the stream is below `threshold`: the elements that the CPU drops. A task takes the four that a
/// block of the stream decides; tasks next to each other take channels next to each other where planes are multiples of four.
template <class T>
struct dropout {
    extents e;
    u64 threshold; ///< probability 2^32
    float keep;    ///< 1 / (1 - probability)
    const stream* random;
    pixels<const T> in;
    pixels<T> out;
    bool accumulate;

    UMSREP_DEVICE long long count() const { return pieces(e.size(), 4); }
    UMSREP_DEVICE void operator()(u32 task) const {
        const u32 plane = e.plane(), blocks = plane / 4; // of a plane
        u64 number = task;
        if (plane % 4 == 0) {
            const u32 channel = task % e.c, rest = task / e.c;
            number = (static_cast<u64>(rest / blocks) * e.c + channel) * blocks + rest % blocks;
        }
        const four numbers = random->block(number);
        for (u32 k = 0; k < 4; ++k) {
            const u64 i = 4 * number + k, image = i / plane;
            if (i >= static_cast<u64>(e.size())) return;
            const long long pixel = static_cast<long long>(image / e.c * plane + i % plane);
            const u32 channel = static_cast<u32>(image % e.c);
            values<1> x = load<1>(in.at(pixel, channel));
            x.at[0] = numbers.at[k] >= threshold ? keep * x.at[0] : 0;
            store(out.at(pixel, channel), x, accumulate);
        }
    }
};

} // namespace umsrep::cuda::kernel
