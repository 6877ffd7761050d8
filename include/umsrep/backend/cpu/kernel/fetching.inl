// SPDX-License-Identifier: MIT
// Memory that is read soon comes nearer while a product is computed.

/// Lines of memory, one behind the other, that a tile fetches into the second cache while it works: a few at a time, for more than a core can have
/// under way would hold up what comes after them.
struct fetching {
    const float* at = nullptr;
    int lines = 0;

    /// A tile may have no stretch to work through: a strided 1x1 convolution has gradients of 0.
    int in_each_of(int stretches) const { return stretches == 0 ? 0 : (lines + stretches - 1) / stretches; }
};

/// Returns where the next lines begin.
inline const float* fetch(const float* at, int lines) {
    for (; lines > 0; --lines, at += lanes) __builtin_prefetch(at, 0, 2);
    return at;
}

/// What tile `i` of `tiles` of a call fetches. Where that goes beyond a block, only the stretch in the last one is left to the tile.
inline fetching start_fetching(const ahead& next, int i, int tiles) {
    if (next.lines == 0) return {};
    const std::int64_t all = static_cast<std::int64_t>(next.lines) * next.blocks, of = static_cast<std::int64_t>(next.parts) * tiles;
    const std::int64_t at = static_cast<std::int64_t>(next.part) * tiles + i, begin = all * at / of, end = all * (at + 1) / of;
    const float* block = next.first + begin / next.lines * next.block;
    int line = static_cast<int>(begin % next.lines), left = static_cast<int>(end - begin);
    for (; line + left > next.lines; line = 0, block += next.block) {
        fetch(block + line * lanes, next.lines - line);
        left -= next.lines - line;
    }
    return {block + line * lanes, left};
}
