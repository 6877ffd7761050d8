// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace umsrep {

/// A fixed number of elements on a 64-byte boundary, zero at first. Its size never changes, so pointers into it stay valid.
/// A large array takes no memory before it is written to, and lies in huge pages where the system gives them.
template <class T>
    requires std::is_arithmetic_v<T>
class aligned_array {
public:
    aligned_array() = default;
    explicit aligned_array(std::size_t size) : size_{size} {
        if (size == 0) return;
        const bool large = size >= 2 * huge_page / sizeof(T);
        const std::size_t boundary = large ? huge_page : cache_line;
        if (size > (std::numeric_limits<std::size_t>::max() - boundary) / sizeof(T)) throw std::bad_array_new_length();
        // calloc, for it knows which memory is zero already and leaves that untouched.
        void* const block = std::calloc(size * sizeof(T) + boundary, 1);
        if (block == nullptr) throw std::bad_alloc();
        const std::uintptr_t begin = (reinterpret_cast<std::uintptr_t>(block) + boundary - 1) / boundary * boundary;
        data_ = {reinterpret_cast<T*>(begin), release{block}};
#if defined(__linux__) && defined(MADV_HUGEPAGE)
        // A wish: refused, all works as well, but the first touch of each 4 KiB takes as long as computing with them does.
        if (large) ::madvise(data(), size * sizeof(T) / huge_page * huge_page, MADV_HUGEPAGE);
#endif
    }

    T* data() { return data_.get(); }
    const T* data() const { return data_.get(); }
    std::size_t size() const { return data_ == nullptr ? 0 : size_; } // none after a move
    std::span<T> span() { return {data(), size()}; }
    std::span<const T> span() const { return {data(), size()}; }

private:
    static constexpr std::size_t cache_line = 64, huge_page = std::size_t{2} << 20;
    struct release {
        void* block = nullptr; ///< as it was allocated
        void operator()(T*) const { std::free(block); }
    };
    std::unique_ptr<T, release> data_;
    std::size_t size_ = 0;
};

} // namespace umsrep
